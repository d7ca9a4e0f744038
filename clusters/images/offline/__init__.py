"""The offline build kit: builds every image from package registries, where no container registry answers."""
