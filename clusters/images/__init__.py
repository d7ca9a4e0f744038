"""The images of the system: pulled where a registry answers, else built from package registries."""
