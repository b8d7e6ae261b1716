from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from istsim._validation import positive_int, positive_ints


class PreActivationBlock(nn.Module):
    """A residual block whose norms and activations come before its convolutions (He et al., arXiv 1603.05027).

    Args:
        before: channels that come in.
        after: channels that go out.
        stride: of the first convolution, and of the shortcut.
    """

    def __init__(self, before: int, after: int, stride: int = 1):
        super().__init__()
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)
        self.branch = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """What comes in, plus what the branch makes of it."""
        return self.shortcut(x) + self.branch(x)


class ResNet(nn.Module):
    """A residual network for small images, ResNet-18 by its defaults.

    Args:
        num_classes: outputs.
        channels: of the images.
        width: channels of the first stage; they double from stage to stage, where the image halves.
        depths: blocks of each stage.

    Example:
        >>> import torch
        >>> from istsim import networks
        >>> model = networks.ResNet(10, width=8)
        >>> model(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
        >>> sum(p.numel() for p in networks.ResNet(10).parameters())
        11172170
    """

    def __init__(self, num_classes: int, channels: int = 3, width: int = 64, depths: Sequence[int] = (2, 2, 2, 2)):
        super().__init__()
        num_classes, channels = positive_int("num_classes", num_classes), positive_int("channels", channels)
        width, depths = positive_int("width", width), positive_ints("depths", depths)
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        before, stages = width, []
        for number, depth in enumerate(depths):
            after, blocks = width * 2**number, []
            for i in range(depth):
                blocks.append(PreActivationBlock(before, after, stride=2 if i == 0 and number > 0 else 1))
                before = after
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(before)
        self.head = nn.Linear(before, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width)."""
        x = self.stages(self.stem(images))
        x = torch.relu(self.norm(x)).mean(dim=(2, 3))  # (batch, width of the last stage)
        return self.head(x)
