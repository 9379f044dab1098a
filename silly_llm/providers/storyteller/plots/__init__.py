"""All plots, by what they are about."""

from silly_llm.providers.storyteller.plot import Plot
from silly_llm.providers.storyteller.plots import animals, food, ideas, people, places, things

PLOTS: tuple[Plot, ...] = (
    things.PLOTS + food.PLOTS + animals.PLOTS + people.PLOTS + places.PLOTS + ideas.PLOTS
)
