"""What is told: verdict, report pages, failure bundles, comparisons."""
