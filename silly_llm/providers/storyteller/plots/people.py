"""Plots about people and about one's own body."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
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
            "At last, they got to the top. To their surprise, all the bags were empty. Everything had fallen out on the way and was lost.",
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
            "They came back with a big cake. To their surprise, the door was locked. {The_n} had left for ever that morning.",
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
            "{The_n} said that {mom} was at the gate. It turned out that it was somebody else. Now it was dark, and {hero} was all alone.",
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
            "{Mom} put a bandage on {his_n}. To {his} surprise, it was the wrong spot. Now it hurt even more, and {hero} had to lie in bed for weeks.",
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
            "At last, the blue was gone. To {his} surprise, {his} skin was green now! The others pointed at {him}, and {he} ran away and cried.",
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
