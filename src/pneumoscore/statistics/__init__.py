"""Statistics of scores: errors, agreement, calibration, coverage, with intervals by patient.

Ranks and distributions are scipy's. What is computed here, though scipy or scikit-learn has it,
is computed a thousand times in a bootstrap, where their checks of the input cost tens to
hundreds of times the work itself (``pearsonr``, ``spearmanr``, ``linregress``, ``r2_score``,
``mean_absolute_error``, ``roc_auc_score``), and where a draw in which a figure is not defined
must give NaN and neither raise nor warn (constant predictions, one class only; scores missing
in ``cohen_kappa_score``). The tests hold each to theirs. A bootstrap that draws patients with
all their films, intraclass correlations with intervals, Krippendorff's alpha and limits of
agreement with several films of a patient they do not have.
"""
