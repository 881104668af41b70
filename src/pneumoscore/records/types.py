"""What goes into the records, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from pneumoscore.records.days import film_times
from pneumoscore.severity.score import ModelIdentity

__all__ = [
    "EVENT_KINDS",
    "AuditEntry",
    "EventRecord",
    "FilmRecord",
    "ImportReport",
    "NoteRecord",
    "ScaleValue",
    "StoredModel",
    "Timeline",
    "TimelineFilm",
]

EVENT_KINDS = (
    "admission",
    "oxygen",
    "icu_admission",
    "intubation",
    "proning",
    "treatment_start",
    "extubation",
    "icu_discharge",
    "discharge",
    "death",
)
"""Kinds of events, in the usual order of a stay."""


@dataclass(frozen=True, slots=True)
class ScaleValue:
    """One film's score on one scale, as it is recorded.

    Attributes
    ----------
    scale : str
        Name of the scale.
    value, raw : float
        Clipped to the scale, and before clipping.
    low, high : float or None
        Ends of the interval.
    level : float
        Nominal coverage of the interval.
    right, left : float or None
        Parts of the patient's right and left lung.
    """

    scale: str
    value: float
    raw: float
    low: float | None = None
    high: float | None = None
    level: float = 0.9
    right: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class FilmRecord:
    """One scored film on its way into the records.

    Attributes
    ----------
    patient : str
        The patient's number, exactly as it was given.
    film_uid : str
        What makes two records the same film: SOP Instance UID, or a name unique in its cohort.
    study_uid : str
        Study Instance UID, or a stand-in.
    taken_at : datetime
        Acquisition, without time zone; for `calendar` False by `time_of_day`.
    model : ModelIdentity
        What made the scores.
    values : tuple of ScaleValue
        One for each scale.
    flags : tuple of str
        Quality flags.
    view : str or None
        Projection: ``"PA"``, ``"AP"``, ``"AP Supine"``.
    sex : str or None
        Patient's sex.
    calendar : bool
        Whether `taken_at` is a date; otherwise only days since the patient's day 0 are known.
    file : str or None
        Where the film was read.
    thumbnail : bytes or None
        JPEG of the film with its contribution map.
    issuer : str
        Who gave the number; with it, who the patient is. Empty where nobody says.
    birth_date : date or None
        Patient's birth date.
    utc_offset_minutes : int or None
        Minutes that `taken_at` is ahead of UTC.
    acquired_by : str or None
        Which of the file's times `taken_at` is (`RadiographMetadata.acquired_by`).
    file_sha256, pixel_sha256 : str or None
        Hashes of the file's bytes and of the film's pixels.
    """

    patient: str
    film_uid: str
    study_uid: str
    taken_at: datetime
    model: ModelIdentity
    values: tuple[ScaleValue, ...]
    flags: tuple[str, ...] = ()
    view: str | None = None
    sex: str | None = None
    calendar: bool = True
    file: str | None = None
    thumbnail: bytes | None = None
    issuer: str = ""
    birth_date: date | None = None
    utc_offset_minutes: int | None = None
    acquired_by: str | None = None
    file_sha256: str | None = None
    pixel_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened to a patient.

    Attributes
    ----------
    patient : str or int
        As `patient_name` writes it, or to be recorded the id of the patient's row too.
    kind : str
        One of `EVENT_KINDS`.
    at : datetime
        When; by `time_of_day` for patients without dates.
    detail : str
        Free text.
    """

    patient: str | int
    kind: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A person's note.

    Attributes
    ----------
    at : datetime
        When it was written, UTC.
    author, text : str
        By whom, and what.
    film_uid : str or None
        The film it is on; None if it is on the patient.
    """

    at: datetime
    author: str
    text: str
    film_uid: str | None = None


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model whose scores are in the records.

    Attributes
    ----------
    id : int
        Later models have higher numbers.
    identity : ModelIdentity
        Name, version, backbone and hash.
    """

    id: int
    identity: ModelIdentity


@dataclass(frozen=True, slots=True)
class TimelineFilm:
    """One film of a timeline.

    Attributes
    ----------
    uid, study_uid : str
        Identifiers.
    taken_at : datetime
        Acquisition.
    view, file : str or None
        Projection, and where the film was read.
    values : dict of str to ScaleValue
        By scale, of the timeline's model; empty if that model has not scored the film.
    flags : tuple of str
        Quality flags.
    thumbnail : bytes or None
        JPEG.
    utc_offset_minutes : int or None
        Minutes that `taken_at` is ahead of UTC.
    twins : tuple of str
        UIDs of other files of the same exposure, which count once with it.
    other_models : tuple of int
        Models that have scored the film, where the timeline's has not: not comparable.
    id : int
        Within the records.
    """

    uid: str
    study_uid: str
    taken_at: datetime
    view: str | None
    file: str | None
    values: dict[str, ScaleValue] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    thumbnail: bytes | None = None
    utc_offset_minutes: int | None = None
    twins: tuple[str, ...] = ()
    other_models: tuple[int, ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """One patient's trajectory by one model.

    Attributes
    ----------
    patient, issuer : str
        Number, and who gave it.
    sex : str or None
        Patient's sex.
    calendar : bool
        Whether times are dates.
    model : StoredModel or None
        Whose scores are shown; None if there are none.
    other_models : tuple of StoredModel
        Models that also scored films of this patient.
    films : tuple of TimelineFilm
        In the order of `clock`; the files of one exposure are one film.
    events : tuple of EventRecord
        In time order.
    notes : tuple of NoteRecord
        In time order.
    """

    patient: str
    sex: str | None
    calendar: bool
    model: StoredModel | None
    other_models: tuple[StoredModel, ...]
    films: tuple[TimelineFilm, ...]
    events: tuple[EventRecord, ...]
    notes: tuple[NoteRecord, ...]
    issuer: str = ""
    birth_date: date | None = None

    @property
    def clock(self) -> tuple[datetime, ...]:
        """Of each film, the time that orders it and that days are counted by (`film_times`)."""
        return tuple(film_times((film.taken_at, film.utc_offset_minutes) for film in self.films))

    @property
    def not_comparable(self) -> tuple[TimelineFilm, ...]:
        """Films that only other models have scored."""
        return tuple(film for film in self.films if not film.values and film.other_models)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what and when.

    Attributes
    ----------
    id : int
        Rising.
    at : datetime
        UTC.
    actor, action : str
        Who, and what: ``"import"``, ``"merge"``, ``"split"``, ``"redate"``, ...
    patient : str or None
        Of whom, where it is one patient.
    details : dict
        What exactly, with old and new values.
    """

    id: int
    at: datetime
    actor: str
    action: str
    patient: str | None
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of records that were handed in; all of it is on the disk.

    Attributes
    ----------
    films, scores, patients : int
        New ones. A score is one value on one scale.
    known : int
        Scores that were there already, unchanged.
    redated : int
        Films whose time the import corrected.
    conflicts : tuple of str
        Records that were not taken, or not in full, and why; one line each.
    twins : int
        New films that are another file of an exposure that is recorded: they count once.
    notices : tuple of str
        What a person should look at; one line each.
    """

    films: int = 0
    scores: int = 0
    patients: int = 0
    known: int = 0
    redated: int = 0
    conflicts: tuple[str, ...] = ()
    twins: int = 0
    notices: tuple[str, ...] = ()

    def __add__(self, other: ImportReport) -> ImportReport:
        return ImportReport(
            self.films + other.films,
            self.scores + other.scores,
            self.patients + other.patients,
            self.known + other.known,
            self.redated + other.redated,
            self.conflicts + other.conflicts,
            self.twins + other.twins,
            self.notices + tuple(item for item in other.notices if item not in self.notices),
        )
