"""Plots about things one can hold: lost, stuck, broken, given, found, bought."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
    Plot(
        name="lost",
        summary="{Hero} loses {a_n}, and {friend} helps to look for {it}",
        kinds="thing soft plural",
        setup=(
            "{Hero} had {a_n}, and {he} took {it} everywhere.",
            "Of all the things in {his} room, {hero} liked {his_n} most.",
        ),
        problem=(
            "One day, {the_n} {was} gone. {Hero} looked in {his} bag, but there was nothing in it.",
            "One morning, {hero} could not find {the_n}. {He} turned the whole room upside down.",
        ),
        attempt=(
            "They looked under the bed, behind the door and in the garden.",
            "They went back the way {hero} had come and looked at every stone.",
        ),
        success=(
            "At last, {friend} moved a big pillow. There {was} {the_n}! {Hero} picked {it} up at once.",
            "Then {hero} looked into an old boot. {The_n} {was} inside! {Hero} pulled {it} out and danced around the room.",
        ),
        failure=(
            "They looked until it was dark, but {the_n} did not turn up. {Hero} never saw {it} again.",
            "In the evening, all they found was a deep hole in the ground. {The_n} {was} lost for ever.",
        ),
        twist=(
            "Then they came to the old chair. To their surprise, {mom} had been sitting on {the_n} all along!",
            "Then {hero} scratched {his} back and felt something hard. It turned out that {the_n} had been in {his} own hood all along!",
        ),
        sad_twist=(
            "Then they learned the truth. It turned out that {hero} had left {the_n} by the river, and the water had carried {it} away.",
            "Then they saw a dog with {the_n}. To their surprise, it was the dog from next door. It had chewed {it} to bits.",
        ),
        hint=(
            "{Hero} did not know yet that there was a small hole in {his} bag.",
            "When {hero} left {the_n} on the grass, {he} had a strange feeling that this was not a good spot.",
        ),
        say=("I cannot find {my_n}", "{My_n} {is} gone, and I have looked all over"),
        offer=("Two can look better than one", "I will help you look"),
        ways=("look in the house first", "look in the garden first"),
        moral=("it is good to put things back in their place", "two friends find more than one"),
        sad_moral=("it is important to look after the things we like",),
    ),
    Plot(
        name="out_of_reach",
        summary="{The_n} gets stuck high up, and {hero} and {friend} try to get {it} down",
        kinds="thing soft",
        setup=(
            "One day, {hero} played outside with {a_n}. {He} threw {it} up and caught {it} again.",
            "One afternoon, {hero} took {a_n} outside and showed {it} to {friend}.",
        ),
        problem=(
            "Then {the_n} flew too high and got stuck in a tall tree. {Hero} jumped, but {he} was too small.",
            "All at once, the wind took {the_n} and blew {it} up on the roof. Nobody could reach {it}.",
        ),
        attempt=(
            "They tried a long rake, but even the rake was too short.",
            "{Friend} stood on a chair, and {hero} stood on a box. They were still too small.",
        ),
        success=(
            "Then {mom} came with a long ladder. {Mhe} climbed up step by step and brought {the_n} down.",
            "Then {hero} had an idea. They tied two long rakes together and reached up. Down came {the_n}, right at their feet!",
        ),
        failure=(
            "Then the rain came. {The_n} slid down, fell on the stones and {was} ruined.",
            "It got dark, and they had to go in. In the morning, the wind had carried {the_n} away. {Hero} never got {it} back.",
        ),
        twist=(
            "Then something unexpected happened. A crow picked up {the_n} and dropped {it} at {hero}'s feet!",
            "They ran to get a ladder. To their surprise, {the_n} {was} on the grass when they came back. The wind had helped them!",
        ),
        sad_twist=(
            "Then something unexpected happened. A crow took {the_n} and flew away with {it}. The crow never came back.",
            "At last, they got a ladder. It turned out that {the_n} had been hit by a branch, and {it} {was} broken for good.",
        ),
        hint=(
            "The wind was strong that day. {Hero} did not know yet what it would do.",
            "{Mom} looked up at the wind and warned {him} to hold on to {the_n}.",
        ),
        say=("{My_n} {is} up there, and I am too small", "I cannot reach {my_n}"),
        offer=("We can think of something", "Together we are taller"),
        ways=("climb up right away", "call a grown-up first"),
        moral=(
            "it is good to ask for help when something is too hard",
            "a clever plan can reach higher than a long arm",
        ),
        sad_moral=("it is better to keep nice things away from the wind",),
    ),
    Plot(
        name="broken",
        summary="{Hero} breaks {the_n} and tries to fix {it} with {friend}",
        kinds="thing",
        setup=(
            "On a shelf at home stood {a_n} that {mom} liked very much.",
            "{Mom} had {a_n}, and {it} {was} older than {hero}.",
        ),
        problem=(
            "One day, {hero} ran through the room and bumped into the shelf. {The_n} fell down and broke.",
            "One afternoon, {hero} held {the_n} with wet hands. {It} slipped, fell on the floor and broke in two.",
        ),
        attempt=(
            "They put the parts on the table and tried to fix them with paste. The parts fell off again.",
            "First they tied the parts together with a string, but that did not hold.",
        ),
        success=(
            "Then {hero} told {mom} everything. {Mom} was not cross. {Mhe} took strong glue, and soon {the_n} {was} whole again.",
            "{Hero} worked slowly and held the parts together while the glue got hard. In the evening, {the_n} {was} as good as new.",
        ),
        failure=(
            "Nothing helped. {The_n} {was} ruined, and {mom} had to put the parts in the bin.",
            "{Hero} hid the parts under the bed. When {mom} found them, it was too late to fix {the_n}.",
        ),
        twist=(
            "At last, {hero} told {mom} everything. To {his} surprise, {mom} had broken {the_n} too, long ago, and knew just how to fix {it}!",
            "Then they saw something shiny between the parts. It turned out that a lost gold coin had been inside {the_n} all along! With the coin, they had {the_n} fixed in town.",
        ),
        sad_twist=(
            "At last, {hero} told {mom} everything. It turned out that {the_n} had been a gift from {mom}'s best friend, and nobody could fix {it}.",
            "Then they found some strong glue. To their surprise, it was not glue at all. It was black paint, and now {the_n} {was} ruined for ever.",
        ),
        hint=(
            "{Mom} had warned {him} many times not to run in the house.",
            "{The_n} stood near the edge of the shelf. {Hero} had no idea how near it was.",
        ),
        say=("I broke {the_n}, and I do not know what to do", "{The_n} {is} broken, and I did it"),
        offer=("Let us try to fix {it}", "We can tell {mom} about it together"),
        ways=("hide the parts", "tell {mom} right away"),
        moral=("it is best to tell the truth", "we should say it when we make a mistake"),
        sad_moral=("it is not good to hide a mistake",),
    ),
    Plot(
        name="gift",
        summary="{Hero} wants to give {a_n} to {other}, but the gift gets dirty",
        kinds="thing soft plural food",
        setup=(
            "{Other} had a birthday. {Hero} found {a_n} for {ohim} and put {it} in a paper bag.",
            "It was the day of {other}'s party. {Hero} wanted to bring {a_n} as a gift.",
        ),
        problem=(
            "On the way, it began to rain. The paper got so wet that {the_n} fell into the mud.",
            "But when {hero} wanted to leave, {the_n} {was} covered with mud. A puppy had played with {it}!",
        ),
        attempt=(
            "{Mom} helped {hero} to wash {the_n} with water, but some of the mud stayed on.",
            "{Hero} rubbed {the_n} with a cloth. The paper bag was too wet to use.",
        ),
        success=(
            "Then {hero} saw some big green leaves. {He} put {the_n} in the leaves and tied them up with grass. {Other} said it was the best gift of all.",
            "So {hero} gave {the_n} to {other} just like that and told {ohim} the whole story. {Other} laughed and loved {it}.",
        ),
        failure=(
            "When {hero} came to the party at last, everybody had gone home. {The_n} {was} ruined.",
            "{Hero} did not dare to go in with a gift like that. {He} stood outside alone until the party was over.",
        ),
        twist=(
            "{Hero} gave the gift to {other}. To {his} surprise, {other} had bought just the same gift for {him}!",
            "{Hero} knocked at the door. It turned out that the party was tomorrow! There was enough time to make {the_n} nice and clean.",
        ),
        sad_twist=(
            "{Hero} ran to the party. It turned out that {other} had moved away that morning. {Hero} stood alone at the empty house.",
            "{Hero} gave {the_n} to {other}. It turned out that {other} had wanted something else, and the gift was left in a corner.",
        ),
        hint=(
            "There was one dark cloud in the sky. {Hero} did not see that it came closer.",
            "{Hero} left the bag near the open door. {He} did not know yet that this was a mistake.",
        ),
        say=("My gift is dirty, and the party is today", "Look at {the_n}! What can I do now"),
        offer=("We will think of something", "Do not give up so soon"),
        ways=("go to the party with no gift", "stay and work on the gift"),
        moral=("it is the thought that makes a gift", "a gift is good when it comes from the heart"),
        sad_moral=("it is better to come late than not to come at all",),
    ),
    Plot(
        name="finder",
        summary="{Hero} finds {a_n} and looks for the owner with {friend}",
        kinds="thing soft plural",
        setup=(
            "One day, {hero} saw {a_n} on a bench. Nobody was near.",
            "One morning, {a_n} lay in the middle of the path. {Hero} picked {it} up.",
        ),
        problem=(
            "{Hero} wanted to keep {it} very much. But {the_n} had to have an owner, and who could that be?",
            "{The_n} looked so nice that {hero} put {it} in {his} bag. But then {he} thought of the owner, who had to be looking for {it}.",
        ),
        attempt=(
            "They asked at every house in the street. Nobody knew {the_n}.",
            "They drew a picture of {the_n} and put it on a wall. Many people looked, but no one came.",
        ),
        success=(
            "At the last house, an old man opened the door. He had looked for {the_n} for three days! He thanked {hero} again and again.",
            "In the evening, a little girl ran up to them. {The_n} belonged to her. {Hero} gave {it} back, and she jumped for joy.",
        ),
        failure=(
            "While they were asking, somebody took {the_n} from the bench where {hero} had left {it}. Now they could not help the owner any more.",
            "{Hero} took {it} home after all. The next day, {he} saw a little girl who cried because {the_n} {was} gone, and {he} did not dare to say a word.",
        ),
        twist=(
            "Then {hero} turned {the_n} around and saw a name. To {his} surprise, it was the name of {mom}! {Mom} had lost {it} when {mhe} was small.",
            "Then {friend} began to laugh. It turned out that {the_n} belonged to {friend}'s own family all along!",
        ),
        sad_twist=(
            "Then they found the house of the owner. It turned out that the owner had moved far away that very day. They came too late.",
            "They left {the_n} on the bench for the owner. To their surprise, the wind took {it} that night, and the owner came too late.",
        ),
        hint=(
            "{Hero} did not see that there was a name on the other side.",
            "{Hero} had a strange feeling about {it}.",
        ),
        say=("I found {a_n}, and I do not know the owner", "Somebody lost {a_n}"),
        offer=("Then we must find the owner", "We can ask all the people in town"),
        ways=("keep {the_n}", "find the owner"),
        moral=(
            "it is good to give back what is not ours",
            "being honest feels better than having new things",
        ),
        sad_moral=("we should give things back while there is time",),
    ),
    Plot(
        name="coins",
        summary="{Hero} wants to buy {a_n} but does not have enough coins",
        kinds="thing soft plural food",
        setup=(
            "In the window of a little shop, {hero} saw {a_n}. {He} thought about {it} all day.",
            "{Hero} had saved ten coins because {he} wanted to buy {a_n} for {mom}.",
        ),
        problem=(
            "One day, {he} went to the shop with {his} coins. But {he} had too few of them.",
            "When {he} counted the coins in the shop, one of them was missing. It was not enough for {the_n}.",
        ),
        attempt=(
            "{Hero} looked in every corner of the house for one more coin and found only a button.",
            "They tried to sell old toys in front of the house, but nobody stopped.",
        ),
        success=(
            "Then {hero} asked the shop owner for some work. {He} swept the floor for an hour and carried boxes. After that, {the_n} {was} {his}.",
            "So {hero} picked berries in the garden and sold them in little cups. In the evening, {he} had enough and ran to buy {the_n}.",
        ),
        failure=(
            "When {hero} had the coins at last, the window was empty. {The_n} had been sold. It was too late.",
            "On the way back, {hero} fell, and all the coins rolled into the river. There was no {n} for {him} that day.",
        ),
        twist=(
            "{Hero} went home with empty hands. To {his} surprise, {the_n} stood on the kitchen table. {Mom} had seen {his} wish in {his} eyes!",
            "Then the shop owner smiled. It turned out that {hero} was the hundredth guest, and the hundredth guest got {a_n} for nothing!",
        ),
        sad_twist=(
            "Then {hero} came back with more coins. It turned out that the shop had closed for ever the night before. {The_n} {was} gone.",
            "{Hero} paid for {the_n} at last. To {his} surprise, {the_n} fell to bits on the way home. All the coins had been spent in vain.",
        ),
        hint=(
            "{Hero} did not notice that {his} pocket had a little hole.",
            "Ten coins sounded like a lot. {Hero} had no idea how much there was to pay.",
        ),
        say=("I do not have enough coins", "I want {a_n} so much, but I cannot pay for {it}"),
        offer=("Then let us work for it", "Maybe we can earn some more"),
        ways=("go home and forget about it", "look for some work"),
        moral=("things that we work for make us happy", "it is good to be patient and to work for a wish"),
        sad_moral=("it is important to count twice and not to wait too long",),
    ),
)
