"""Models that RecBole lacks, or has slower."""
