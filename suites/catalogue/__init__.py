"""The catalogue of scenarios: how one is declared, and the page of all."""
