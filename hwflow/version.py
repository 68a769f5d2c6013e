"""The version of this hwflow: what every build and every report names."""

VERSION = "0.1.0"
