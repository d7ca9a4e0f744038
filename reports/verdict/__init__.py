"""The verdict of one run: its model, its pages, its failure bundles."""
