"""Plots about animals, real ones and one in the dark."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
    Plot(
        name="trapped",
        summary="{Hero} and {friend} try to free {a_n} that is stuck",
        kinds="animal",
        setup=(
            "One day, {hero} heard a small cry near the fence. It was {a_n}!",
            "One morning, {hero} walked by a bush and saw {a_n} in it.",
        ),
        problem=(
            "{The_n} could not move. One of {its} legs was caught in an old net.",
            "{The_n} had crawled into a narrow pipe and could not get out again.",
        ),
        attempt=(
            "They pulled very gently, but {the_n} was afraid and pulled the other way.",
            "They tried to lift the thing up, but it was too heavy for them.",
        ),
        success=(
            "Then {hero} spoke in a soft voice until {the_n} lay still. {Friend} cut it free. {The_n} looked back once and was gone, safe and sound.",
            "Then {hero} put some food on the grass. {The_n} got so hungry that it made itself thin and came out!",
        ),
        failure=(
            "It took too long. When help came at last, {the_n} did not move any more. It had died.",
            "{The_n} tore itself free, but it was hurt badly. It ran into the woods, and they could not find it.",
        ),
        twist=(
            "At last, {the_n} was free. To their surprise, it did not run away. It led them to a bush, and there sat four hungry babies that had been waiting all along!",
            "Then they saw that {the_n} was not stuck at all. It was keeping its little ones warm! Nobody had guessed that.",
        ),
        sad_twist=(
            "At last, {the_n} was free. Then something unexpected happened. It was so afraid that it ran into the road, and a car hurt it badly.",
            "At last, {the_n} was free. To their surprise, it fell on its side. It had been stuck for too long, and it died.",
        ),
        hint=(
            "{Hero} had a feeling that something was wrong in the garden.",
            "An old net lay in the grass. Nobody knew yet what trouble it would make.",
        ),
        say=("The poor little thing is stuck", "It cannot get out, and it is afraid"),
        offer=("We will get it out", "Be very still, and I will help"),
        ways=("pull hard", "wait and be gentle"),
        moral=(
            "it is good to help those who are smaller than we are",
            "being gentle works better than being strong",
        ),
        sad_moral=("it is important to get help at once",),
    ),
    Plot(
        name="lost_baby",
        summary="{Hero} finds {a_n} that has lost its mother",
        kinds="animal",
        setup=(
            "One day, {a_n} stood at the door. It was very small and looked up at {hero}.",
            "One evening, {hero} found {a_n} under a leaf. It was only a baby.",
        ),
        problem=(
            "{The_n} had lost its mother. It was cold and did not know the way home.",
            "It called for its mother, but no mother came. The sun was going down.",
        ),
        attempt=(
            "They walked along the path and called. Only the wind answered.",
            "They looked for tracks on the ground, but the rain had washed them away.",
        ),
        success=(
            "Then {hero} had an idea and made the same sound as {the_n}. Far away, another voice answered. It was the mother! {The_n} ran to her.",
            "They made a warm bed of grass and waited next to it. At last, the mother came out of the dark and took {the_n} home.",
        ),
        failure=(
            "They waited all night, but the mother never came. In the morning, {the_n} was gone too.",
            "They called until they had no voice left. Nobody came, and {the_n} stayed alone in the world.",
        ),
        twist=(
            "Then {the_n} jumped down and walked off. It turned out that its mother lived under {hero}'s own house all along!",
            "At last, the mother came. To their surprise, she brought something with her. It was the lost mitten that {hero} had been missing since the winter!",
        ),
        sad_twist=(
            "At last, they found the nest. It turned out that it was empty. The family had left long ago, and {the_n} was alone.",
            "Then the mother came. To their surprise, she did not know her own baby any more and left. {The_n} stayed behind alone.",
        ),
        hint=(
            "The night before, {hero} had heard something under the floor. {He} did not know yet what it was.",
            "{Hero} had a feeling that somebody was about to need {him}.",
        ),
        say=("It has lost its mother", "This little one cannot find the way home"),
        offer=("Then we will look for her", "Its mother cannot be far"),
        ways=("keep {the_n} at home", "take {the_n} back to its mother"),
        moral=("every little one needs a home", "it is good to help others find their way"),
        sad_moral=("some things cannot be fixed, but it is good to try",),
    ),
    Plot(
        name="shy_animal",
        summary="{Hero} wants to be friends with {a_n} that always runs away",
        kinds="animal",
        setup=(
            "{A_n} lived behind the shed. {Hero} wanted to be its friend more than anything.",
            "Every day, {hero} saw {a_n} in the garden and hoped to touch it.",
        ),
        problem=(
            "But each time {he} ran up to it, {the_n} was afraid and hid in a hole.",
            "But when {hero} came near, {the_n} was off like the wind. So it went for many days.",
        ),
        attempt=(
            "{Hero} tried to catch it with a basket. After that, {the_n} was even more afraid.",
            "They made a little path of crumbs. {The_n} ate the crumbs and ran away again.",
        ),
        success=(
            "Then {hero} sat down in the grass and did nothing at all. {He} waited one hour and then one more. At last, {the_n} came and sat on {his} foot.",
            "So {hero} came back each day and sat a little closer. One day, {the_n} took some food right from {his} hand.",
        ),
        failure=(
            "{Hero} lost all patience and jumped at it. {The_n} ran off and never came back to that garden.",
            "One morning, the hole was empty. {The_n} had gone to find a place without noise, and {hero} never saw it again.",
        ),
        twist=(
            "{Hero} gave up and lay down for a nap. When {he} woke, {the_n} lay on {his} arm. To {his} surprise, it had wanted to be friends all along!",
            "Then {hero} looked into the hole and had a big surprise. {The_n} had three tiny babies in there!",
        ),
        sad_twist=(
            "Then {hero} caught {the_n} and put it in a box. To {his} surprise, it did not eat or play any more. It got sick and died.",
            "Then {the_n} came close at last. It turned out that it had come to say goodbye. The next day, it was gone and never came back.",
        ),
        hint=(
            "{Hero} did not know yet how long {he} would have to wait.",
            "{Mom} warned {him} that loud feet make small hearts jump.",
        ),
        say=("It always runs away from me", "I only want to be its friend"),
        offer=("Maybe you are too fast", "Let us sit still for once"),
        ways=("run and catch {the_n}", "sit and wait"),
        moral=("being patient can win a friend", "it is better to wait than to grab"),
        sad_moral=("we should not force anybody to be our friend",),
    ),
    Plot(
        name="shadow",
        summary="{Hero} sees something in the dark that looks like {a_n}",
        meeting=("{Friend} was sleeping over that night and woke up too.",),
        kinds="animal wild land",
        setup=(
            "One night, {hero} lay in bed and looked at the wall. There was a big black shape, and it looked like {a_n}.",
            "It was late. {Hero} opened one eye and saw {a_n} in the corner of the room, big and black.",
        ),
        problem=(
            "{The_n} moved! {Hero} pulled the blanket over {his} head and did not dare to breathe.",
            "{Hero} wanted to call for {mom}, but no sound came out. {The_n} seemed to come closer.",
        ),
        attempt=(
            "They threw a pillow at {the_n}, but it did not go away.",
            "They held hands. They counted to ten, but {the_n} was still there.",
        ),
        success=(
            "Then {hero} turned on the light. There was only a coat on a chair! They made shapes with their hands on the wall, and their {n} was the funniest of all.",
            "Then {friend} opened the curtain. The moon came in, and {the_n} was only the shape of a plant. They waved at it and laughed.",
        ),
        failure=(
            "They did not dare to turn on the light. They lay awake and were scared the whole night, and {the_n} never went away.",
            "{Hero} ran in the dark, fell over a chair and hurt {his} leg. {He} cried until the morning.",
        ),
        twist=(
            "Then {hero} turned on the light. It was not {a_n} at all! It was {mom}, who had come in with a big hat full of cookies.",
            "Then they heard a tiny sound. It turned out that a kitten had been sitting in front of the lamp all along!",
        ),
        sad_twist=(
            "Then {hero} hit it with a stick. It turned out that it was {his} own lamp. Now the lamp was broken, and the room was dark and scary for ever.",
            "Then {hero} turned on the light. It was not {a_n} at all! It was a bad crack in the wall, and the rain came in. The whole room was ruined.",
        ),
        hint=(
            "Before bed, {hero} left {his} coat on the chair. {He} did not know yet what the moon would make of it.",
            "All evening, {hero} had a strange feeling about the dark.",
        ),
        say=("There is {a_n} in the room", "It moved! I saw it"),
        offer=("Then we will look at it together", "Maybe it is only the dark"),
        ways=("hide under the bed", "turn on the light"),
        moral=("things look smaller when we turn on the light", "being brave means to look at what we fear"),
        sad_moral=("it is better to ask for light than to sit in the dark",),
    ),
)
