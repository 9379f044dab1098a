"""Plots about food and about what one can use up."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
    Plot(
        name="river",
        summary="{Hero} has to bring {a_n} to Granny, but the bridge is gone",
        kinds="thing soft plural food foodmass stuff",
        setup=(
            "One day, {mom} asked {hero} to bring {a_n} to Granny on the other side of the river.",
            "Granny lived behind the river, and she needed {a_n}. {Hero} put {it} in a bag and went off.",
        ),
        problem=(
            "But when {hero} came to the river, the little bridge was gone. The water had taken it in the night.",
            "Halfway there, {hero} stood still. The river was so high that it ran over the path.",
        ),
        attempt=(
            "They walked along the river to find another bridge, but there was none.",
            "They threw some stones into the water to step on. The stones were too small.",
        ),
        success=(
            "Then they rolled three big stones into the water and put a long board on top. Step by step they walked across. Granny got {the_n} in time.",
            "Then an old man with a boat came by. He rowed them across, and Granny was glad to have {the_n}.",
        ),
        failure=(
            "{Hero} tried to jump. {He} landed in the cold water, and the river took {the_n} away. Granny waited in vain.",
            "It got late, and they had to turn back. Granny sat alone at her table and had nothing.",
        ),
        twist=(
            "They sat down and did not know what to do. To their surprise, Granny sat on the other side all along and pulled a rope with a basket! Up went {the_n}, right over the water.",
            "Then a big gray stone in the water began to move. It was not a stone at all! It was a kind turtle, and it carried them across with {the_n}.",
        ),
        sad_twist=(
            "At last, they found a way across. It turned out that they had left {the_n} on the other side, and the rain had ruined {it}.",
            "They found a small boat and got in. To their surprise, the boat had a hole. They had to swim back, and {the_n} {was} lost in the water.",
        ),
        hint=(
            "It had rained all night. {Hero} did not know yet what the rain had done.",
            "{Mom} warned {him} that the river was wild after the rain.",
        ),
        say=("The bridge is gone, and Granny is waiting", "I cannot get across the water"),
        offer=("Then we will find another way", "Let us look for something to step on"),
        ways=("jump across", "look for a safe way"),
        moral=("there is always another way if we look for it", "it is good to keep on trying"),
        sad_moral=("it is better to be careful near the water",),
    ),
    Plot(
        name="recipe",
        summary="{Hero} and {friend} look for {n} because guests are coming",
        kinds="foodmass",
        setup=(
            "{Mom} wanted to cook something for a big dinner, and {hero} was allowed to help. The most important thing in it was {n}.",
            "Guests were coming, and {hero} wanted to make a special dish with {about_n} in it.",
        ),
        problem=(
            "But when they opened the kitchen cupboard, it was empty. There was no {n} at all, and the shop was closed.",
            "But a mouse had been in the kitchen. All the {n} they had {was} gone, and the guests would come in an hour.",
        ),
        attempt=(
            "They asked the woman next door. She had only some old bread.",
            "They tried the dish with other things. It tasted like wet socks.",
        ),
        success=(
            "Then they went from house to house. Each house gave them something, and the last one gave them {a_n}. In the end, the dish was so big that the whole street came to eat.",
            "Then {hero} found {a_n} in a little box behind the flour jar. Soon the kitchen smelled good, and the guests ate everything up.",
        ),
        failure=(
            "They waited too long, and the pot on the fire burned black. The guests went home hungry, and the dinner was ruined.",
            "No one had any {n}. The guests looked at the empty table and left.",
        ),
        twist=(
            "Then the first guest knocked. To their surprise, every guest had brought {a_n} as a gift! Now there was more than enough.",
            "They cooked without {it}. Nobody had guessed what happened next: the guests liked the new dish even more than the old one!",
        ),
        sad_twist=(
            "At last, they got {a_n} from the house next door. It turned out that {it} had gone bad, and all the guests got sick.",
            "They got some {n} in time. To their surprise, nobody came. The guests had gone to the wrong house, and all the food went bad.",
        ),
        hint=(
            "In the corner, something small ran by. {Hero} did not know yet what it had eaten.",
            "{Hero} had a funny feeling that something was missing.",
        ),
        say=("We have no {n}", "The guests are coming, and there is no {n} in the house"),
        offer=("Then let us ask around", "I will run and look for some"),
        ways=("cook something else", "look for some {n} in the street"),
        moral=("it is good not to give up too soon", "it is good to ask the people next door for help"),
        sad_moral=("it is important to plan before the guests come",),
    ),
    Plot(
        name="last_one",
        summary="{Hero} has {a_n} and meets somebody who is hungry",
        kinds="food foodmass",
        setup=(
            "One day, {hero} went up the hill for lunch and took {a_n} along. {He} had thought about {it} all morning.",
            "{Hero} was very fond of {about_n}. One day, {mom} gave {him} {a_n} to take outside.",
        ),
        problem=(
            "Just when {he} sat down, {he} heard a small sound. A thin little bird sat next to {him}. It was cold and had not eaten for days.",
            "Then {he} saw a small boy on a step. The boy had nothing to eat and looked at {the_n} with big eyes.",
        ),
        attempt=(
            "{Hero} looked for something else to give, but {his} bag was empty. {He} looked at {the_n} for a long time.",
            "{Friend} looked in all {fhis} pockets and found only one small nut. It was not enough.",
        ),
        success=(
            "Then {hero} gave away the bigger half of {the_n}. They sat side by side in the sun, and it tasted better than ever.",
            "So {hero} gave away half of {the_n}, and {friend} gave a nut. Now everybody had something, and nobody was left out.",
        ),
        failure=(
            "{Hero} turned around and had {it} all alone. When {he} looked up, the seat next to {him} was empty. {He} could not say that {he} was sorry any more.",
            "{Hero} thought too long. {The_n} fell in the dirt, and now nobody could eat {it}.",
        ),
        twist=(
            "So {hero} gave away half of {the_n}. The next day, something unexpected happened. A basket full of the very same food stood at {his} door, with a thank-you card!",
            "So {hero} gave away half of {the_n}. To {his} surprise, a tall man came by and clapped. He was really the king, and he asked them all to dinner!",
        ),
        sad_twist=(
            "{Hero} had {it} all alone. Later, it turned out that {he} was the one who had to go home hungry, because {mom} had given all the food to the poor. {He} was sad and ashamed.",
            "{Hero} was about to share. Then something unexpected happened. A crow took {the_n} and flew away, and all of them stayed hungry.",
        ),
        hint=(
            "{He} did not know yet that {he} would not have {it} alone.",
            "As {he} walked, {he} had a feeling that somebody was watching.",
        ),
        say=("I have only this, and we are three", "I want to help, but I am hungry too"),
        offer=("A small lunch is better than none", "Maybe we can make it last for all"),
        ways=("keep {the_n}", "give some of {it} away"),
        moral=("sharing makes food taste better", "it is good to share, even when we have only a little"),
        sad_moral=("it is better to share while we can",),
    ),
    Plot(
        name="workshop",
        summary="{Hero} and {friend} need more {n} for the thing they are making",
        kinds="stuff",
        setup=(
            "{Hero} and {friend} were building a little house for the birds. For the last part they needed {a_n}.",
            "There was a craft show in town. {Hero} wanted to make a little castle, and {he} needed {a_n} for it.",
        ),
        problem=(
            "But there {was} only a tiny bit of {n} left, and the work was not half done.",
            "When {he} opened the box for the {n}, it was empty. All of {it} {was} used up.",
        ),
        attempt=(
            "They tried to do the work with leaves, but the leaves did not hold.",
            "They looked in the shed and found nothing but spider webs.",
        ),
        success=(
            "Then they traded. {Hero} gave some berries to the man next door and got enough {n} for the rest. In the evening, the work was done and looked great.",
            "Then {friend} said that it could be smaller. They made it half as big, and the {n} {was} just enough.",
        ),
        failure=(
            "In the night, the wind came. With so little {n}, it all fell down, and the work of many days was ruined.",
            "They could not get any more. The show began without them, and they stood at the door and felt sad.",
        ),
        twist=(
            "They sat down and looked at the work. To their surprise, a bird had moved in already! It did not need any more {n} at all.",
            "Then {mom} opened {mhis} old chest. It turned out that it was full of {n} all along!",
        ),
        sad_twist=(
            "Then they found a full bag in the shed. It turned out that it was not {n} at all. It was something else, and it ruined the whole work.",
            "They got more {n} and did the rest. It turned out that the {n} {was} too wet. In the night, all of it fell down and was ruined.",
        ),
        hint=(
            "{Hero} used a lot of {n} on the first day. Little did {he} know how much {he} would need.",
            "{Hero} did not notice that the box was almost empty.",
        ),
        say=("There is no more {n}", "We cannot finish without {n}"),
        offer=("We can ask the man next door", "Let us think first"),
        ways=("stop the work", "try it with less {n}"),
        moral=("a little can be enough if we use it well", "it is good to plan before we begin"),
        sad_moral=("it is important to look first and build later",),
    ),
)
