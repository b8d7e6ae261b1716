from __future__ import annotations

import torch

from istsim._optional import require
from istsim.networks.data._data import Data
from istsim.networks.data._permutation import split
from istsim.networks.data._standardise import standardise


def digits() -> Data:
    """Scikit-learn's 1797 handwritten digits, of 8 x 8 grey pixels, standardised.

    A fifth, drawn at random but always the same, is for testing.

    Raises:
        ImportError: if scikit-learn is missing, with the command that installs it.

    Example:
        >>> from istsim.networks import data
        >>> data.digits()
        Data('digits', 1438 training and 359 test examples of shape (1, 8, 8), 10 classes)
    """
    pixels, labels = require("sklearn.datasets", extra="data").load_digits(return_X_y=True)
    images, targets = torch.from_numpy(pixels).float().view(-1, 1, 8, 8), torch.from_numpy(labels).long()
    train, test = split(len(images))  # drawn: the file is ordered by writer
    train_images, test_images = images[train], images[test]
    standardise(train_images, test_images)
    return Data("digits", train_images, targets[train], test_images, targets[test], num_classes=10)
