"""Draw a face from action units and a person's look. Lengths and places are in face units, see `drawing`."""

from dataclasses import dataclass

import numpy as np

from tfrecords_builders.drawing import Colour, Pen, Scene, circle, curve, ellipse, mix, paint_background, photograph

WHITE, INK, BLOOD, THROAT, TONGUE = (250, 250, 246), (38, 24, 28), (190, 44, 60), (88, 24, 34), (214, 96, 100)


@dataclass(frozen=True)
class Actions:
    """Facial action units (Ekman and Friesen, Facial Action Coding System, 1978), from 0 at rest to 1."""

    inner_brow_raiser: float = 0.0  # AU 1
    outer_brow_raiser: float = 0.0  # AU 2
    brow_lowerer: float = 0.0  # AU 4
    upper_lid_raiser: float = 0.0  # AU 5
    cheek_raiser: float = 0.0  # AU 6
    lid_tightener: float = 0.0  # AU 7
    nose_wrinkler: float = 0.0  # AU 9; also raises the upper lip
    lip_corner_puller: float = 0.0  # AU 12
    one_corner_puller: float = 0.0  # AU 12 and 14 on one side: from -1 (left of the picture) to 1 (right)
    lip_corner_depressor: float = 0.0  # AU 15
    lower_lip_depressor: float = 0.0  # AU 16
    chin_raiser: float = 0.0  # AU 17
    lip_stretcher: float = 0.0  # AU 20
    lip_tightener: float = 0.0  # AU 23
    lips_part: float = 0.0  # AU 25
    jaw_drop: float = 0.0  # AU 26


@dataclass(frozen=True, kw_only=True)
class Look:
    """The features of a drawn person that are the same in all pictures."""

    skin: Colour
    hair: Colour
    iris: Colour
    cloth: Colour
    width: float = 0.8  # half the width of the face
    jaw: float = 0.2  # share by which the chin is narrower
    eye_size: float = 1.0
    eye_distance: float = 0.36  # from the middle of the face
    nose: float = 1.0
    mouth: float = 0.34  # half its width at rest
    brow: float = 0.09  # thickness
    hair_bottom: float = 0.0  # lower end of long hair; 0 for short hair
    hair_volume: float = 1.08
    hairline: float = -0.7  # height at the parting
    parting: float = 0.0
    bald: bool = False
    beard: bool = False
    glasses: bool = False


CARICATURE = 1.18
"""Factor that enlarges eyes, brows, nose and mouth, so that they are visible at 40 pixels."""


@dataclass(frozen=True)
class DrawnFace:
    """One drawn face. A call returns its picture."""

    look: Look
    actions: Actions
    scene: Scene

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box of the face without ears and hair: left, top, right, bottom in pixels of the picture."""
        outline = self.scene.place(_outline(self.look, self.actions))
        return (*outline.min(0).tolist(), *outline.max(0).tolist())

    def __call__(self) -> np.ndarray:
        """Return the picture as RGB uint8 (128, 128, 3)."""
        look, actions, scene = self.look, self.actions, self.scene
        rng = np.random.default_rng(scene.seed)
        canvas = paint_background(rng)
        head = Pen(canvas, scene)
        features = head.moved(scene.yaw, scene.pitch, CARICATURE)
        _draw_bust(head, look)
        head.fill(_outline(look, actions), look.skin)
        _draw_creases(features, look, actions)
        _draw_beard(head, look, actions)
        for side in (-1, 1):
            _draw_eye(features, look, actions, side, scene.gaze)
        _draw_glasses(features, look)
        for side in (-1, 1):
            _draw_brow(features, look, actions, side)
        _draw_mouth(features, look, actions)
        _draw_nose(features.moved(0.7 * scene.yaw, 0), look, actions)
        _draw_front_hair(head, look)
        return photograph(canvas, scene, rng)


def _shade(look: Look, share: float = 1.0) -> Colour:
    """The colour of creases: the skin, up to half as dark as INK."""
    return mix(look.skin, INK, 0.5 * share)


def _outline(look: Look, actions: Actions) -> np.ndarray:
    """The outline of the face, shape (48, 2): it starts at the right ear and goes down over the chin."""
    x, y = circle(48).T
    below = np.maximum(y, 0)
    return np.stack([look.width * x * (1 - look.jaw * below**2), (0.98 + 0.2 * actions.jaw_drop * below) * y], axis=1)


def _dome(width: float, top: float, bottom: float) -> np.ndarray:
    """The upper half of an ellipse from left to right, shape (17, 2)."""
    return np.concatenate([circle(32)[16:], circle(32)[:1]]) * (width, bottom - top) + (0, bottom)


def _draw_bust(pen: Pen, look: Look) -> None:
    """Draw what is behind the face: long hair, shoulders, neck, ears."""
    volume = look.width * look.hair_volume
    if look.hair_bottom > 0:
        ends = curve((volume, look.hair_bottom), (0, look.hair_bottom + 0.25), (-volume, look.hair_bottom), 6)
        pen.fill(np.concatenate([_dome(volume, -1.04 * look.hair_volume, 0), ends]), mix(look.hair, INK, 0.25))
    pen.fill(ellipse(0, 2.0, 1.35, 0.72), look.cloth)
    pen.fill(curve((-0.3, 0.6), (0, 1.55), (0.3, 0.6), 6), _shade(look, 0.45))
    for side in (-1, 1):
        pen.fill(ellipse(side * look.width, 0.05, 0.12, 0.2), _shade(look, 0.25))


def _draw_front_hair(pen: Pen, look: Look) -> None:
    """Draw the hair above the hairline."""
    if not look.bald:
        crown = _dome(look.width * 1.05, -1.04 * look.hair_volume, -0.14)
        line = curve((look.width * 0.9, -0.3), (look.parting, look.hairline), (-look.width * 0.9, -0.3), 4)
        pen.fill(np.concatenate([crown, line]), look.hair)


def _draw_beard(pen: Pen, look: Look, actions: Actions) -> None:
    if look.beard:
        chin = _outline(look, actions)[1:24]  # from below one ear to below the other
        left, right = curve(tuple(chin[-1]), (-0.5, 0.46), (0, 0.34)), curve((0, 0.34), (0.5, 0.46), tuple(chin[0]))
        pen.fill(np.concatenate([chin, left, right]), mix(look.hair, look.skin, 0.35))


def _draw_creases(pen: Pen, look: Look, actions: Actions) -> None:
    """Draw creases of the skin on forehead, chin, brows, nose and cheeks, and the colour of the cheeks."""
    forehead = min(actions.inner_brow_raiser, actions.outer_brow_raiser)
    pen.line(curve((-0.3, -0.7), (0, -0.74), (0.3, -0.7)), _shade(look, 0.6 * forehead), 0.03)
    frown = max(actions.brow_lowerer - 0.5 * actions.inner_brow_raiser, 0)
    pen.line(curve((-0.14, 0.73), (0, 0.66), (0.14, 0.73)), _shade(look, 0.8 * actions.chin_raiser), 0.035)
    for side in (-1, 1):
        pull = max(actions.lip_corner_puller, side * actions.one_corner_puller, 0)
        blush = mix(look.skin, (226, 92, 84), 0.16 + 0.2 * actions.cheek_raiser)
        pen.fill(ellipse(side * 0.47, 0.25 - 0.05 * pull, 0.15, 0.1), blush)
        pen.line(np.array([(side * 0.06, -0.4), (side * 0.05, -0.24)]), _shade(look, 0.9 * frown), 0.03)
        for y in (-0.06, 0.03):
            wrinkle = np.array([(side * 0.03, y), (side * 0.13, y - 0.06)])
            pen.line(wrinkle, _shade(look, actions.nose_wrinkler), 0.03)
        fold = curve((side * 0.17, 0.2), (side * 0.38, 0.3), (side * (0.46 + 0.06 * pull), 0.46))
        pen.line(fold, _shade(look, max(0.7 * pull, actions.nose_wrinkler)), 0.035)


def _draw_brow(pen: Pen, look: Look, actions: Actions, side: int) -> None:
    lowered = actions.brow_lowerer + 0.4 * actions.nose_wrinkler
    raised = 0.5 * (actions.inner_brow_raiser + actions.outer_brow_raiser)
    inner = np.array((side * (0.15 - 0.06 * actions.brow_lowerer), -0.41 - 0.18 * actions.inner_brow_raiser))
    inner += (0, 0.19 * lowered)
    middle = np.array((side * look.eye_distance, -0.48 - 0.13 * raised + 0.1 * lowered))
    outer = (side * (look.eye_distance + 0.25), -0.38 - 0.15 * actions.outer_brow_raiser + 0.02 * lowered)
    half = np.array((0, look.brow / 2))
    edges = [curve(tuple(inner + sign * half), tuple(middle + sign * half), outer) for sign in (-1, 1)]
    pen.fill(np.concatenate([edges[0], edges[1][::-1]]), mix(look.hair, INK, 0.6))


def _lids(look: Look, actions: Actions, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The upper and lower edge of an eye, from left to right."""
    x, y, half = side * look.eye_distance, -0.12, 0.2 * look.eye_size
    squeeze = actions.nose_wrinkler + 0.8 * actions.lid_tightener
    up = 0.15 * look.eye_size * (1 + 0.55 * actions.upper_lid_raiser - 0.15 * actions.cheek_raiser - 0.35 * squeeze)
    down = 0.12 * look.eye_size * (1 + 0.2 * actions.upper_lid_raiser - 1.2 * actions.cheek_raiser - 0.6 * squeeze)
    droop = 0.08 * max(actions.inner_brow_raiser - actions.outer_brow_raiser, 0)
    inner = (x - side * half, y + 0.05 * actions.brow_lowerer * (1 - actions.inner_brow_raiser))
    outer = (x + side * half, y + droop)
    left, right = (inner, outer) if side > 0 else (outer, inner)
    return curve(left, (x, y - up + 0.5 * droop), right), curve(left, (x, y + max(down, 0.03 - up)), right)


def _draw_eye(pen: Pen, look: Look, actions: Actions, side: int, gaze: float) -> None:
    upper, lower = _lids(look, actions, side)
    pen.fill(np.concatenate([upper, lower[::-1]]), WHITE)
    for radius, colour in ((0.115, look.iris), (0.06, INK)):
        disc = ellipse(side * look.eye_distance + 0.06 * gaze, -0.13, radius, radius)
        open_between = [np.interp(disc[:, 0], *lid.T) for lid in (upper, lower)]
        pen.fill(np.stack([disc[:, 0], np.clip(disc[:, 1], *open_between)], axis=1), colour)
    pen.line(lower, _shade(look, 0.7), 0.025)
    pen.line(upper, INK, 0.05)


def _draw_nose(pen: Pen, look: Look, actions: Actions) -> None:
    y, half = 0.21 - 0.05 * actions.nose_wrinkler, 0.12 * look.nose * (1 + 0.3 * actions.nose_wrinkler)
    pen.line(curve((-half, y - 0.05), (0, y + 0.04), (half, y - 0.05)), _shade(look, 0.9), 0.045)
    pen.line(np.array([(0.03, -0.08), (0.06 * look.nose, y - 0.1)]), _shade(look, 0.35), 0.035)


def _lips(look: Look, a: Actions) -> tuple[np.ndarray, np.ndarray]:
    """The upper and lower edge of the mouth's opening, from left to right. They are equal for a closed mouth."""
    half = look.mouth * (1 + 0.25 * a.lip_corner_puller + 0.25 * a.lip_stretcher - 0.2 * a.lip_tightener)
    half *= 1 - 0.35 * a.jaw_drop * (1 - a.lip_stretcher)
    corners = []
    for side in (-1, 1):
        one = max(side * a.one_corner_puller, 0)
        lift = 0.15 * a.lip_corner_puller + 0.35 * one - 0.12 * a.lip_corner_depressor - 0.1 * a.lip_stretcher
        corners.append((side * (half + 0.08 * one), 0.5 - lift + 0.12 * a.jaw_drop))
    bend = 0.06 * a.lip_corner_puller - 0.07 * a.lip_corner_depressor
    top = 0.525 + bend - 0.12 * a.nose_wrinkler - 0.06 * a.chin_raiser + 0.01 * a.jaw_drop
    gap = 0.18 * a.lips_part + 0.3 * a.jaw_drop + 0.12 * a.lower_lip_depressor + 0.08 * a.nose_wrinkler
    power = 2 + 3 * a.lip_stretcher
    return curve(corners[0], (0, top), corners[1], power), curve(corners[0], (0, top + gap), corners[1], power)


def _draw_mouth(pen: Pen, look: Look, actions: Actions) -> None:
    upper, lower = _lips(look, actions)
    down = np.array((0, 1))
    opening = (lower - upper) * down
    fullness = down * 0.09 * (1 - 0.6 * actions.lip_tightener) * curve((0, 0.35), (0, 1), (0, 0.35))
    pen.fill(np.concatenate([upper - fullness, (lower + fullness)[::-1]]), mix(look.skin, BLOOD, 0.65))
    pen.fill(np.concatenate([upper, lower[::-1]]), THROAT)
    pen.fill(np.concatenate([lower - 0.3 * opening, lower[::-1]])[2:-2], TONGUE)
    pen.fill(np.concatenate([upper, (upper + np.minimum(0.5 * opening, 0.1))[::-1]]), WHITE)
    if opening.max() < 0.05:
        pen.line(upper, mix(BLOOD, INK, 0.75), 0.035)


def _draw_glasses(pen: Pen, look: Look) -> None:
    if look.glasses:
        for side in (-1, 1):
            rim = ellipse(side * look.eye_distance, -0.1, 0.27, 0.25)
            pen.line(np.concatenate([rim, rim[:1]]), INK, 0.035)
            temple = np.array([(side * (look.eye_distance + 0.27), -0.12), (side * look.width, -0.16)])
            pen.line(temple, INK, 0.035)
        pen.line(curve((0.27 - look.eye_distance, -0.12), (0, -0.15), (look.eye_distance - 0.27, -0.12)), INK, 0.035)
