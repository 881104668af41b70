"""Whether two images show the same film, by local features.

Keypoints (SIFT, Lowe 2004) of one film are looked up among those of the other; pairs that pass
the ratio test must agree on one affine map. A mirrored film is found by its mirror image. The
rule finds films; it cannot know patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEAST_INLIERS",
    "FilmFeatures",
    "FilmIndex",
    "Match",
    "film_features",
    "matched_inliers",
]

# On the public films strangers agree in up to 14 keypoints, but for five (docs/experiments.md);
# the same film in 15 to 367.
LEAST_INLIERS = 15
_LONGER_SIDE = 320
_KEYPOINTS = 500
_RATIO = 0.8
_AFFINE_ERROR = 4.0
_LARGEST_ZOOM = 4.0
_LARGEST_STRETCH = 2.0
_VOTERS = 100
_KNOWN = 200
_DIMENSIONS = 24
_LEAST_VOTES = 3
_VERIFIED = 4


@dataclass(frozen=True, slots=True, eq=False)
class FilmFeatures:
    """Keypoints of one film.

    Attributes
    ----------
    points : ndarray of float32, shape (n, 2)
        Column and row in the shrunk film, strongest first.
    descriptors : ndarray of float32, shape (n, 128)
        Square roots of the L1-normalised SIFT histograms (Arandjelovic and Zisserman 2012).
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def mirrored(self) -> FilmFeatures:
        """Return the keypoints of the mirror image, up to a shift of the columns.

        A histogram has 4 x 4 places of 8 directions, turned with its keypoint: its mirror
        image has the rows of places in reverse, and the directions too.
        """
        places = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
        turned = places[..., (-np.arange(8)) % 8].reshape(self.descriptors.shape)
        return FilmFeatures(
            self.points * np.array([-1, 1], dtype=np.float32), np.ascontiguousarray(turned)
        )


@dataclass(frozen=True, slots=True)
class Match:
    """A film that an image shows.

    Attributes
    ----------
    name : str
        Of the known film.
    inliers : int
        Keypoints that agree on one affine map.
    mirrored : bool
        Whether the image shows the film's mirror image.
    """

    name: str
    inliers: int
    mirrored: bool


def film_features(pixels: NDArray[np.float32]) -> FilmFeatures:
    """Find the keypoints of a film, shrunk to a longer side of at most 320 pixels.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        Values in [0, 1].
    """
    scale = min(1.0, _LONGER_SIDE / max(pixels.shape))
    grey = np.clip(pixels * 255 + 0.5, 0, 255).astype(np.uint8)
    if scale < 1:
        shape = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, shape, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    # Local contrast, so that windows and gamma do not matter.
    grey = np.asarray(cv2.createCLAHE(3.0, (8, 8)).apply(grey), dtype=np.uint8)
    keypoints, found = cv2.SIFT.create(_KEYPOINTS, contrastThreshold=0.02).detectAndCompute(
        grey, None
    )
    if found is None or not len(keypoints):
        return FilmFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    order = np.argsort([-point.response for point in keypoints], kind="stable")[:_KEYPOINTS]
    points = np.array([keypoints[index].pt for index in order], dtype=np.float32)
    histograms = np.asarray(found, dtype=np.float32)[order]
    histograms /= histograms.sum(axis=1, keepdims=True) + 1e-6
    return FilmFeatures(points, np.sqrt(histograms))


def matched_inliers(one: FilmFeatures, other: FilmFeatures) -> int:
    """Return how many keypoints of `one` lie on `other` by one plausible affine map."""
    if len(one.points) < 4 or len(other.points) < 4:
        return 0
    likeness = one.descriptors @ other.descriptors.T
    best_two = np.partition(likeness, -2, axis=1)[:, -2:]
    distances = np.sqrt(np.maximum(2 - 2 * best_two, 0))
    passes = distances[:, 1] < _RATIO * distances[:, 0]
    partners = likeness.argmax(axis=1)
    chosen = np.flatnonzero(passes)
    # Each point of the other film once: many onto one is no map.
    _, first = np.unique(partners[chosen], return_index=True)
    chosen = chosen[first]
    if len(chosen) < 4:
        return 0
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffine2D(
        one.points[chosen],
        other.points[partners[chosen]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_AFFINE_ERROR,
        maxIters=1000,
    )
    if matrix is None or inside is None:
        return 0
    stretches = np.linalg.svd(np.asarray(matrix)[:, :2], compute_uv=False)
    plausible = (
        stretches[1] > 1 / _LARGEST_ZOOM
        and stretches[0] < _LARGEST_ZOOM
        and stretches[0] < _LARGEST_STRETCH * stretches[1]
    )
    return int(np.asarray(inside).sum()) if plausible else 0


class FilmIndex:
    """Known films, in which the films that an image shows are looked up.

    Every keypoint of the image votes for the known film that holds its nearest neighbour
    (in the leading principal components of all descriptors); only films with several votes
    are compared keypoint by keypoint.

    Parameters
    ----------
    names : sequence of str
        Of the known films.
    features : sequence of FilmFeatures
        Of the same films.
    """

    def __init__(self, names: Sequence[str], features: Sequence[FilmFeatures]) -> None:
        self._names = tuple(names)
        self._features = tuple(features)
        voters = [found.descriptors[:_KNOWN] for found in features]
        every = np.concatenate(voters)
        self._centre = every.mean(axis=0)
        _, vectors = np.linalg.eigh(np.cov((every - self._centre)[::7].T))
        self._axes = vectors[:, ::-1][:, :_DIMENSIONS].astype(np.float32)
        self._known = (every - self._centre) @ self._axes
        self._halves = 0.5 * np.square(self._known).sum(axis=1)
        self._films = np.repeat(np.arange(len(voters)), [len(part) for part in voters])

    def _candidates(self, found: FilmFeatures) -> Iterator[int]:
        small = (found.descriptors[:_VOTERS] - self._centre) @ self._axes
        nearest = (small @ self._known.T - self._halves).argmax(axis=1)
        votes = np.bincount(self._films[nearest], minlength=len(self._names))
        order = np.argsort(-votes, kind="stable")[:_VERIFIED]
        yield from (int(film) for film in order if votes[film] >= _LEAST_VOTES)

    def matches(self, pixels: NDArray[np.float32]) -> list[Match]:
        """Return the known films that an image shows, the surest first.

        Parameters
        ----------
        pixels : ndarray of float32, shape (rows, columns)
            Values in [0, 1].
        """
        found: dict[str, Match] = {}
        direct = film_features(pixels)
        if len(direct.points) < _LEAST_VOTES:
            return []
        for mirrored in (False, True):
            features = direct.mirrored() if mirrored else direct
            for film in self._candidates(features):
                inliers = matched_inliers(features, self._features[film])
                name = self._names[film]
                if inliers >= LEAST_INLIERS and (
                    name not in found or found[name].inliers < inliers
                ):
                    found[name] = Match(name, inliers, mirrored)
        return sorted(found.values(), key=lambda match: (-match.inliers, match.name))
