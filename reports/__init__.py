"""Reports: verdict, pages, failure bundles, comparisons of runs."""
