"""Plots about animals, people and one's own body."""

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
    Plot(
        name="heavy_bags",
        summary="{Hero} and {friend} help {a_n} who has too much to carry",
        kinds="person family",
        setup=(
            "One day, {hero} saw {a_n} on the road. {The_n} had a long way to go.",
            "One afternoon, {hero} met {a_n} at the foot of the hill.",
        ),
        problem=(
            "{The_n} carried three heavy bags. Then one of them broke, and everything rolled down the hill.",
            "{The_n} had a cart full of boxes, and a wheel had come off. Nobody stopped to help.",
        ),
        attempt=(
            "They tried to carry everything at once, but it was too much.",
            "They pushed and pulled as hard as they could. Nothing moved.",
        ),
        success=(
            "Then {hero} asked more children to come. They stood in a long line and passed the things from hand to hand. Soon {the_n} was home and thanked every one of them.",
            "Then {friend} brought {fhis} little wagon. They went up and down the hill four times, and {the_n} gave them a big thank-you.",
        ),
        failure=(
            "It began to rain hard. All the things were ruined, and {the_n} sat by the road and cried.",
            "They were too slow, and it was too late. The last bus was gone, and {the_n} had to stay there alone in the cold.",
        ),
        twist=(
            "At last, everything was up on the hill. To their surprise, {the_n} gave each of them a new kite. The kites had been in there all along!",
            "Then {the_n} began to laugh. It turned out that the things were all for {hero}'s own birthday!",
        ),
        sad_twist=(
            "At last, everything was up on the hill. It turned out that they had come to the wrong house, and the right one was too far away. {The_n} was tired and sad.",
        ),
        hint=(
            "Something on top was loose. Nobody saw it yet.",
            "{Hero} had a feeling that this would be a long day.",
        ),
        say=("Look, nobody is helping", "This is too much for one"),
        offer=("Then we will help", "Many hands can do it"),
        ways=("walk on", "stay and help"),
        moral=("many hands make hard work easy", "it is good to stop and help"),
        sad_moral=("it is important to help soon and not to wait",),
    ),
    Plot(
        name="cheer_up",
        summary="{Hero} and {friend} want {a_n} to smile again",
        kinds="person family",
        setup=(
            "Every day, {hero} saw {a_n} at the same window.",
            "Near the market, {hero} often met {a_n}, and they said hello.",
        ),
        problem=(
            "One day, {the_n} did not say hello. {The_n} looked at the ground and did not say a word.",
            "One morning, {the_n} stayed in the house and did not want to see anybody.",
        ),
        attempt=(
            "{Hero} made a funny face, and {friend} stood on {fhis} head. {The_n} did not even look up.",
            "They left some flowers at the door. In the evening, the flowers were still there.",
        ),
        success=(
            "Then {hero} just sat down next to {the_n} and listened. {The_n} told them of an old friend far away. They wrote a letter together, and {the_n} smiled again.",
            "Then they sang in front of the house, first softly and then louder. A window opened, and {the_n} sang along!",
        ),
        failure=(
            "Nothing they did could help. The next day, {the_n} went away for ever and did not say goodbye.",
            "They got bored and went away to play. When they came back, {the_n} was gone, and the house was empty.",
        ),
        twist=(
            "Then {the_n} stood up at last. It turned out that {the_n} was not sad at all, but had been learning a trick in secret, and they were the first to see it!",
            "They knocked on the door. To their surprise, the room was full of balloons. {The_n} had been planning a party for all the children!",
        ),
        sad_twist=(
            "Then {the_n} spoke at last. It turned out that it was {hero} who had forgotten {the_n}'s birthday, and now it was too late.",
        ),
        hint=(
            "The day before, the mailman had brought a letter with a black edge. {Hero} did not know yet what it meant.",
            "{Hero} did not notice that there was something hidden behind the door.",
        ),
        say=("Something is wrong, and I do not know what", "I miss that smile so much"),
        offer=("Let us find out", "We could do something nice"),
        ways=("make a lot of noise", "be quiet and listen"),
        moral=("listening is the best way to help", "a little kindness can open a door"),
        sad_moral=("we should not wait too long to ask how a friend feels",),
    ),
    Plot(
        name="lost_in_crowd",
        summary="{Hero} looks at {a_n} and gets lost in a crowd",
        meeting=("{Friend} was in the crowd too and found {him}.", "Then {he} saw {friend} by the gate."),
        kinds="person",
        child_only=True,
        setup=(
            "One day, {hero} went to the big market with {mom}. There was even {a_n} who showed tricks.",
            "There was a fair in town. {Hero} wanted to see {a_n} who gave a show there.",
        ),
        problem=(
            "{Hero} looked at {the_n} for a long time. When {he} turned around, {mom} was not there any more.",
            "There were so many people that {hero} let go of {mom}'s hand to see {the_n}. Then {he} was all by {himself}.",
        ),
        attempt=(
            "They looked for {mom}'s blue coat, but there were blue coats all over.",
            "They walked in a circle twice and came back to the same spot.",
        ),
        success=(
            "Then {hero} went to {the_n} and asked for help. {The_n} put {him} on a high box and rang a bell. {Mom} saw {him} at once and came running.",
            "{Hero} stayed at one place, just as {mom} had told {him}. {The_n} waited with {him} until {mom} came and took {him} in {mhis} arms.",
        ),
        failure=(
            "{Hero} ran on and on until the streets were empty. That night, {he} sat alone in the dark and cried for {mom}.",
            "It got late, and {the_n} went home. {Hero} was still alone, and {he} was scared and cold.",
        ),
        twist=(
            "Then {hero} began to cry, and {the_n} took off the big hat. To {his} surprise, it was really {mom}! {Mhe} was the star of the show.",
            "They went to {the_n} and asked for help. It turned out that {mom} had been standing right behind them all along!",
        ),
        sad_twist=(
            "{Hero} saw a blue coat and ran after it. It turned out that it was not {mom} at all. Now {he} was even more lost, and {he} cried.",
        ),
        hint=(
            "{Mom} warned {him} to stay close.",
            "{Hero} did not notice that the crowd grew bigger and bigger.",
        ),
        say=("I have lost {mom}", "I cannot see {mom} any more"),
        offer=("I will stay with you", "Let us ask somebody"),
        ways=("run and look for {mom}", "stay at one spot"),
        moral=("it is best to stay at one place when we are lost", "we should ask for help when we are lost"),
        sad_moral=("it is important to hold on to a hand in a crowd",),
    ),
    Plot(
        name="fall",
        summary="{Hero} falls and hurts {his_n}, and {friend} stays with {him}",
        kinds="body",
        child_only=True,
        setup=(
            "One day, {hero} ran down the hill as fast as {he} could.",
            "One afternoon, {hero} climbed on a wall to see more of the world.",
        ),
        problem=(
            "{He} fell over a stone and hurt {his_n}. There was even a little blood.",
            "{He} fell down with a bump. {His_n} hurt so much that {he} could not get up.",
        ),
        attempt=(
            "They put a cold leaf on {the_n}, but the leaf fell off.",
            "{Friend} blew on {the_n} three times. It did not get better.",
        ),
        success=(
            "Then {mom} came with warm water and a bandage with stars on it. Soon {the_n} felt better, and {hero} could play again.",
            "{Friend} carried {him} home on {fhis} back. {Mom} washed {the_n} and sang a song, and the hurt went away.",
        ),
        failure=(
            "{Hero} did not tell anybody. In the night, {the_n} got worse and worse, and in the morning {he} had to stay in bed while all the others went to the fair.",
            "{The_n} hurt for many days. {Hero} lay alone in bed and missed the summer party.",
        ),
        twist=(
            "They washed {the_n} with water. To their surprise, it was not blood at all! It was the jam from {hero}'s sandwich.",
            "Then {hero} looked at the stone that had made {him} fall. It turned out that it was a piece of gold, and {his_n} did not hurt any more!",
        ),
        sad_twist=(
            "They went to the doctor. It turned out that {the_n} {was} hurt much more than they had thought. {Hero} could not run for the whole summer.",
        ),
        hint=(
            "{Mom} had warned {him} about the stones.",
            "{Hero} did not see the big stone that lay in the way.",
        ),
        say=("{My_n} hurts", "I fell down, and now {my_n} hurts so much"),
        offer=("I will stay with you", "Let me have a look"),
        ways=("stay on the ground", "go home at once"),
        moral=("it is good to let others help when something hurts", "we should look where we run"),
        sad_moral=("it is important to tell somebody when something hurts",),
    ),
    Plot(
        name="blue_paint",
        summary="{Hero} gets blue paint on {his_n}, and it does not come off",
        kinds="body",
        child_only=True,
        setup=(
            "One day, {hero} painted a big picture. {He} got some blue paint on {his_n}.",
            "{Hero} found a jar of blue paint in the shed. Before {he} knew it, {his_n} {was} blue.",
        ),
        problem=(
            "{He} washed and washed, but {the_n} stayed blue. And tomorrow was the day of the big class photo!",
            "The paint did not come off. Everybody would see the blue {n} at the party!",
        ),
        attempt=(
            "They tried soap, sand and even some lemon. {The_n} {was} still blue.",
            "They put a sock over {the_n}. That looked even more funny.",
        ),
        success=(
            "Then {friend} put {fhis} own {n} into the paint, and the other children did it too. Now all of them were blue, and it was the best day of the year.",
            "Then {mom} took some oil and a soft cloth. {Mhe} rubbed for a while, and the blue went away bit by bit.",
        ),
        failure=(
            "{Hero} hid at home. {He} missed all the fun and looked at {his} blue {n}, sad and alone.",
            "Everybody pointed at the blue {n}, and {hero} ran home and cried.",
        ),
        twist=(
            "{Hero} went there with {his} blue {n}. To {his} surprise, all the others were blue too! They had played with the same paint.",
            "Then {mom} looked at the jar. It was not paint at all! It was blueberry jam, and {hero} could just lick it off.",
        ),
        sad_twist=(
            "Then they read what it said on the jar. It turned out that this paint stayed on for a year. {Hero} cried and hid in bed.",
        ),
        hint=(
            "{Hero} did not see that the jar had something written on it.",
            "{Mom} had warned {him} to leave the jar alone.",
        ),
        say=("{My_n} {is} blue, and it does not come off", "They will all look at {my_n}"),
        offer=("Blue is a fine color", "We will get it off"),
        ways=("stay at home and hide", "go and show the blue {n}"),
        moral=("a friend stands next to us, even when we look funny", "it is okay to look different"),
        sad_moral=("it is better to ask before we touch new things",),
    ),
)
