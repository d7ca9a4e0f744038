"""The certificate of a run: a folder that a third party can check and share."""
