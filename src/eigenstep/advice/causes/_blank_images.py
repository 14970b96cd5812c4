"""Images without content: failed decoding, a wrong range, masks in the place of pictures."""

from eigenstep.advice._signs import Signs
from eigenstep.advice.causes._cause import Action, Cause, Evidence, above

BLANK = 0.1


def _weigh(signs: Signs, ill: bool) -> list[Evidence]:
    blank = signs["views_blank"]
    return [Evidence(f"{blank:.0%} of the views are of one colour", 1.3)] if above(blank, BLANK) else []


def _act(signs: Signs) -> Action:
    return Action(
        "Look at the images with `eigenstep images DATA --sheet sheet.png`, and set --images.range if"
        " their values are not what their type says",
        expected="views with contrast (views_blank 0)",
        line="Look at a batch of views as they come from the loader, and leave out images that are blank",
    )


CAUSE = Cause(
    "blank_images", "many images are of one colour", _weigh, _act, restart=True, checks=("range: one colour",)
)
