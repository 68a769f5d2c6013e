"""What a network's answers mean beyond one label: boxes in an image, a class for every pixel. Host side, numpy alone."""

# what images show by the task of their network, under the name it has in test.npz
SHOWN = {"classify": "labels", "segment": "masks", "detect": "boxes"}
