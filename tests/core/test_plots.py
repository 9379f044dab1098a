import re
from importlib.resources import files

import numpy as np


def test_eight_colours_are_told_apart_by_everybody_in_light_and_dark():
    """Distances in OKLab, also as seen without one kind of cones (Machado et al., 2009, severity 1), and contrasts of WCAG 2."""
    css = files("silly_llm").joinpath("templates", "style.css.jinja").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(series-\d|card): (#\w{6})", part)) for part in css.split("@media (prefers", 1))
    for colors in (light, dark):
        rgb = np.array([[int(colors[name][i : i + 2], 16) for i in (1, 3, 5)] for name in sorted(colors)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        card, *luminance = linear @ (0.2126, 0.7152, 0.0722)
        assert len(luminance) == 8 == len(set(colors.values())) - 1
        assert min((max(card, x) + 0.05) / (min(card, x) + 0.05) for x in luminance) >= 3
        for cones in (np.eye(3), *CONES):
            lab = np.cbrt(np.clip(linear[1:] @ np.array(cones).T, 0, 1) @ TO_LMS.T) @ TO_LAB.T
            apart = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(8, 1)]
            assert apart.min() > 0.1  # Okabe and Ito's eight: 0.076
