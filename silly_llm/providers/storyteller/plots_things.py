"""Plots about things one can hold, eat or use up."""

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
