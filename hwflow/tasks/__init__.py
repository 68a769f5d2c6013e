"""What a network's answers mean beyond one label: boxes in an image, a class for every pixel. Host side, numpy alone."""
