import re
from importlib.resources import files

import numpy as np

TO_LMS = np.array([[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]])
TO_LAB = np.array([[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]])
CONES = (
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
)


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
