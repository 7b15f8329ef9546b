"""For notebooks only: views, exercises and plots. Widgets and pictures, no logic that changes a score."""

from course_utils.lesson.exercises import Exercise, blind_vote, load_exercises, load_quiz
from course_utils.lesson.plots import plot_counts, plot_means, plot_shares, plot_sizes, show_leak, show_memory
from course_utils.lesson.view import (
    ask_all,
    ask_box,
    check_facts,
    desk_scores,
    familiar,
    group_misses,
    header,
    meet,
    reference_shares,
    show_misses,
    show_privacy,
    show_table,
    show_text,
    side_by_side,
    waiting,
)

__all__ = [
    "Exercise",
    "ask_all",
    "ask_box",
    "blind_vote",
    "check_facts",
    "desk_scores",
    "familiar",
    "group_misses",
    "header",
    "load_exercises",
    "load_quiz",
    "meet",
    "plot_counts",
    "plot_means",
    "plot_shares",
    "plot_sizes",
    "reference_shares",
    "show_leak",
    "show_memory",
    "show_misses",
    "show_privacy",
    "show_table",
    "show_text",
    "side_by_side",
    "waiting",
]
