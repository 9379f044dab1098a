"""Plots about places, vehicles, big things and the sky."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
    Plot(
        name="lost_way",
        summary="{Hero} and {friend} get lost on the way to {the_n}",
        meeting=("They looked at each other.", "{Friend} took {hero} by the hand."),
        kinds="place",
        setup=(
            "One day, {hero} and {friend} wanted to go to {the_n}. It was a long walk, and they took some bread along.",
            "{Hero} had never been to {the_n}. One morning, {he} set off with {friend} to see {it}.",
        ),
        problem=(
            "After an hour, the path split in two. They took the wrong way and got lost.",
            "Then thick fog came. They could not see their own feet, and {the_n} was nowhere.",
        ),
        attempt=(
            "They walked to the left and to the right and always came back to the same old stone.",
            "They shouted hello, but only the hills shouted back.",
        ),
        success=(
            "Then {hero} climbed up on a rock. From there {he} could see {the_n}, with a long path right up to {it}! They ran all the way.",
            "Then they heard a bell ring. They walked after the sound, and soon {the_n} lay right in front of them.",
        ),
        failure=(
            "They never got to {the_n}. It was dark when {mom} found them, and they were cold and scared.",
            "They sat under a bush and cried until the morning. They had lost the bread, the path and all their joy.",
        ),
        twist=(
            "At last, they gave up and sat down by a gate. To their surprise, it was the gate of {the_n}! They had been there all along.",
            "Then a goose came by and they walked after it. It turned out that the goose lived at {the_n} and knew every path!",
        ),
        sad_twist=(
            "At last, they came to {the_n}. It turned out that {it} {was} closed for the whole year. They walked back in the rain and felt sad.",
            "They walked to a light in the fog. To their surprise, it was their own home. They had walked in a circle all day and never saw {the_n}.",
        ),
        hint=(
            "They did not know yet that there was more than one path.",
            "A little cloud sat on the hill. Something was about to happen.",
        ),
        say=("I do not know where we are", "I think we are lost"),
        offer=("Then let us look from up high", "We will find {the_n}, you will see"),
        ways=("go left", "go right"),
        moral=("it is good to stop and think when we are lost", "two friends are never really lost"),
        sad_moral=("it is important to ask for the way before we leave",),
    ),
    Plot(
        name="clean_up",
        summary="{Hero} and {friend} try to save {the_n}, which is full of dirt",
        kinds="place",
        setup=(
            "Everybody in town knew {the_n}. It had been there for many years.",
            "{Hero} was very fond of {the_n} and went there every week.",
        ),
        problem=(
            "But one day, {the_n} was full of trash. There were cans and old papers all over, and nobody wanted to come any more.",
            "But after the big storm, {the_n} was full of mud and leaves. The mayor said that it had to close.",
        ),
        attempt=(
            "They filled one bag and then another. After an hour, it looked just as bad as before.",
            "They put up a note that asked for help. The rain washed it away.",
        ),
        success=(
            "Then they asked every child they knew. Ten came, then twenty. In the evening, {the_n} was clean, and the mayor shook their hands.",
            "Each day, they cleaned one small part. After a week, {the_n} looked better than ever, and everybody came back.",
        ),
        failure=(
            "It was too much for them. Men came and shut {the_n} for ever.",
            "Nobody helped. In the end, {the_n} was taken away, and there was only an empty spot.",
        ),
        twist=(
            "Under the last pile, something was shining. To their surprise, it was the mayor's lost gold chain! The mayor was so glad that he had {the_n} made like new.",
            "In the morning, they came back with more bags. To their surprise, {the_n} was already clean. A family of raccoons had worked all night!",
        ),
        sad_twist=(
            "In the evening, {the_n} was clean at last. Then something unexpected happened. A second storm came and ruined everything.",
            "They were almost done. It turned out that the mayor had sold {the_n} the day before. Nobody could go there any more.",
        ),
        hint=(
            "The wind had been strange all morning. Something was about to change.",
            "{Hero} did not know yet how much work was waiting.",
        ),
        say=("Look at {the_n}! It is so dirty", "They want to close {the_n}"),
        offer=("Let us clean it up", "We can do something about it"),
        ways=("go home", "begin with one small part"),
        moral=("big work gets done in small steps", "it is good to take care of the places we love"),
        sad_moral=("we should take care of a place before it is too late",),
    ),
    Plot(
        name="stuck_in_mud",
        summary="{Hero} and {friend} go for a ride, and {the_n} gets stuck",
        meeting=("They all got out and looked at the wheels.", "{Friend} got out to have a look."),
        kinds="vehicle",
        setup=(
            "One day, {the_n} came down the road, and {hero} was allowed to ride along.",
            "{Mom} had an old {n}. One day, {mhe} took {hero} and {friend} for a ride.",
        ),
        problem=(
            "After the first turn, {the_n} stopped. It sat deep in the mud and did not move.",
            "In the middle of nowhere, {the_n} made a sad sound and stood still.",
        ),
        attempt=(
            "They all pushed. {The_n} only went in deeper.",
            "They pulled with a rope. The rope broke, and they fell on their backs.",
        ),
        success=(
            "Then {hero} put flat boards and branches in front of {the_n}. They pushed once more, and out it came!",
            "Then a farmer came by with a strong ox. One, two, three, and {the_n} was free.",
        ),
        failure=(
            "Night came, and {the_n} was still there. They had to walk home in the rain, and {the_n} was never the same again.",
            "{The_n} sank deeper and deeper until it was gone. It was too late to save it.",
        ),
        twist=(
            "Then they looked inside. It turned out that nothing was wrong with {the_n} at all. A hen had built its nest on the pedal!",
            "Then {the_n} began to move by itself. To their surprise, a big friendly bear was pushing from behind!",
        ),
        sad_twist=(
            "At last, {the_n} was free. Then something unexpected happened. It rolled down the hill without them and was broken into pieces.",
            "They pushed once more, and out it came. It turned out that a wheel was still in the mud. {The_n} was broken and never went anywhere again.",
        ),
        hint=(
            "It had rained for three days. They did not know yet how soft the road was.",
            "There was a funny sound from below. {Hero} had a feeling that this was not good.",
        ),
        say=("It does not move", "We are stuck"),
        offer=("Let us look for something to put under it", "We can all push"),
        ways=("push harder", "stop and think"),
        moral=("a good idea is stronger than a hard push", "it is good to work together"),
        sad_moral=("it is better to look at the road before we go",),
    ),
    Plot(
        name="new_paint",
        summary="{Hero} and {friend} try to save the old {n}",
        kinds="outdoor vehicle craft",
        setup=(
            "Near {hero}'s house, there was an old {n}. Once {it} had been the pride of the street.",
            "{Hero} was very fond of the old {n} near the house.",
        ),
        problem=(
            "Now {the_n} looked gray and poor, and the new owner wanted to take {it} away.",
            "But {the_n} was falling to bits. One more winter, and {it} would be gone.",
        ),
        attempt=(
            "They wanted to paint {it}, but they had only one small can of white paint. It was not enough.",
            "They put some tape on {it}. The tape came off the next day.",
        ),
        success=(
            "Then they asked in every house for old paint. They got nine small cans. In the evening, {the_n} shone in nine colors, and people came to see {it}.",
            "Then {mom} showed them how to work with wood and nails. They worked for a week, and {the_n} stood there like new.",
        ),
        failure=(
            "They came back with more paint, but it was too late. Men had taken {the_n} away.",
            "In the night, a storm came and broke {the_n} into pieces. Nobody could fix {it}.",
        ),
        twist=(
            "They rubbed off the old gray. To their surprise, there was a gold star and {mom}'s own name below! {Mom} had made {it} long ago, and now it could stay.",
            "Then the new owner came. It turned out that he had played there as a boy and did not want to take {it} away any more!",
        ),
        sad_twist=(
            "At last, {the_n} looked like new. It turned out that they had painted the wrong one. The right one had been taken away and was lost.",
            "They came back with more paint. To their surprise, there was only an empty spot. {The_n} {was} gone, and nobody knew where.",
        ),
        hint=(
            "A man with a notebook had walked around it twice. {Hero} had no idea what he was writing.",
            "{Hero} did not notice that there was something under the old gray.",
        ),
        say=("They want to take it away", "It is so old, and nobody cares"),
        offer=("We can make it nice again", "I care, and so do you"),
        ways=("paint it blue", "paint it green"),
        moral=("old things can be new again with a little love", "it is good to take care of old things"),
        sad_moral=("it is important to care for things before they break",),
    ),
    Plot(
        name="dark_cellar",
        summary="The lights go out while {hero} and {friend} play near {the_n}",
        meeting=("They sat very close.", "{Friend} felt for {hero}'s hand."),
        kinds="big",
        setup=(
            "One evening, {hero} and {friend} played hide and seek. {Hero} went to hide near {the_n}.",
            "One rainy evening, {hero} and {friend} sat by {the_n} and played a game.",
        ),
        problem=(
            "Suddenly, all the lights went out. It was so dark that {hero} could not even see {the_n}.",
            "Then the last candle went out. It was black all around, and {the_n} made strange sounds.",
        ),
        attempt=(
            "They felt their way along the wall and bumped into each other.",
            "They held hands and called for {mom}, but {mhe} was out.",
        ),
        success=(
            "Then {hero} felt something smooth. It was {the_n}! Now {he} knew where they were. From there it was nine steps to the door, and outside the stars were shining.",
            "Then {friend} began to tell a funny story. They sat close to {the_n} and laughed until the lights came back.",
        ),
        failure=(
            "{Hero} ran, fell over {the_n} and hurt {his} head. Nobody came until the morning.",
            "The lights did not come back. They sat there all night, and they were cold and scared.",
        ),
        twist=(
            "Then they heard a soft sound. To their surprise, {mom} stepped out from behind {the_n} with a cake and many candles! The dark had been part of the plan.",
            "Then a small light moved in the dark. It was not a ghost at all! It was a firefly, and it showed them the way out.",
        ),
        sad_twist=(
            "At last, they found the door. It turned out that it was locked from the outside. They were trapped and cried all night.",
            "Then the lights came back. To their surprise, the whole room was full of water! {The_n} was ruined, and so were all their things.",
        ),
        hint=(
            "The lamp blinked once. They did not know yet what this meant.",
            "{Hero} had a strange feeling when the wind got louder.",
        ),
        say=("I cannot see a thing", "I do not like the dark"),
        offer=("Give me your hand", "The dark is only the day with closed eyes"),
        ways=("stay at the same spot", "go and look for the door"),
        moral=("the dark is not so bad with a friend", "it is good to stay calm"),
        sad_moral=("it is better not to run in the dark",),
    ),
    Plot(
        name="high_hill",
        summary="{Hero} wants to see {the_n} from up close",
        kinds="sky",
        setup=(
            "More than anything, {hero} wanted to see {the_n} from up close.",
            "{Mom} often spoke about {the_n}. One day, {hero} wanted to see {it} better than ever before.",
        ),
        problem=(
            "But tall houses stood all around {hero}'s home. {He} could not see {the_n} from the window.",
            "But there were trees and clouds in the way, and {hero} was so small.",
        ),
        attempt=(
            "They stood on a table and then on two chairs. It was not high enough.",
            "They ran to the end of the street, but there was one more house.",
        ),
        success=(
            "Then they climbed the highest hill of all. It took a whole day. At the top they turned around, and there was {the_n}, bigger than they had ever thought.",
            "Then {mom} took them up to the roof of an old tower. They stood there for a long time and looked at {the_n} without a word.",
        ),
        failure=(
            "When they came to the top of the hill, gray clouds covered it all. They were too late, and they had to go home in the cold.",
            "{Hero} got sick on the way, and they had to turn back. They never saw {the_n} that year.",
        ),
        twist=(
            "They gave up and sat down by a puddle. To their surprise, {the_n} was right there in the water, as clear as in a mirror!",
            "They came home with tired feet. It turned out that {hero}'s own bed was the best spot all along. {Mom} had only to open the curtain!",
        ),
        sad_twist=(
            "At last, they stood on the top. It turned out that they had looked the wrong way all day. {The_n} was gone.",
            "They walked for a whole day. To their surprise, the hill was closed with a high fence. They had to go home and saw nothing at all.",
        ),
        hint=(
            "{Hero} did not know yet how far {he} would have to walk.",
            "{Mom} warned {him} that it was a long way up.",
        ),
        say=("I cannot see {the_n} from here", "I am too small to see {the_n}"),
        offer=("Then we must go up higher", "I know a high hill"),
        ways=("climb a tree", "walk up the hill"),
        moral=("it is good to go one more step", "the best things are worth a long walk"),
        sad_moral=("it is important to start early when the way is long",),
    ),
)
