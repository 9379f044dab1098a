"""Plots about places, big things, the sky and ideas; the last ones take any noun."""

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
    Plot(
        name="clay",
        summary="{Hero} makes {a_n} of clay, and it breaks",
        kinds="wild vehicle craft big outdoor food person land room",
        setup=(
            "There was a show in town for things made of clay. {Hero} wanted to make {a_n}.",
            "{Hero} had a big lump of clay. {He} worked all day and made {a_n} out of it.",
        ),
        problem=(
            "But the sun was too hot. One part of the clay {n} broke off, and then another.",
            "But in the night, it rained on the table. In the morning, the clay {n} looked like a wet potato.",
        ),
        attempt=(
            "They pressed the parts together. Now it looked like {a_n} with three ears.",
            "They dried it by the fire, and it got cracks from top to bottom.",
        ),
        success=(
            "So {hero} took a deep breath and made a new one. This time {he} knew how, and {friend} held the parts. The second {n} was much nicer than the first.",
            "Then they made many small ones in place of a big one. Each child in town got {a_n} of clay, and it was a great show.",
        ),
        failure=(
            "There was no more clay. At the show, {hero}'s table stayed empty, and {he} went home alone.",
            "{Hero} lost all hope and threw the clay {n} into the river. {He} never made anything of clay again.",
        ),
        twist=(
            "{Hero} brought it to the show just as it was. To {his} surprise, it got the first prize! The people had never seen such a funny {n}.",
            "Then the lump of clay moved. It turned out that a little frog had been sleeping inside all along!",
        ),
        sad_twist=(
            "{Hero} made a new one and was just in time. Then something unexpected happened. A dog jumped on the table, and the clay {n} was broken again.",
        ),
        hint=(
            "Far away, there was a little thunder. {Hero} did not know yet what was coming.",
            "{Mom} warned {him} that clay needs time.",
        ),
        say=("It is broken, and the show is tomorrow", "All my work is gone"),
        offer=("You made it once, you can make it again", "I will help you with a new one"),
        ways=("begin again", "fix the old one"),
        moral=("it is okay to begin again", "a mistake can be the start of something better"),
        sad_moral=("it is important to be patient with our work",),
    ),
    Plot(
        name="stage",
        summary="{Hero} has to play {the_n} in front of many people and is afraid",
        meeting=("{Friend}, who was in the play too, saw it.",),
        kinds="wild person food sky season vehicle craft animal",
        child_only=True,
        setup=(
            "The children put on a play, and {hero} had to be {the_n}. {Mom} made a fine costume.",
            "In the school play, {hero} got the part of {the_n}. {He} had only one line to say.",
        ),
        problem=(
            "On the big night, {hero} looked at all the people, and {his} legs began to shake. {He} could not move.",
            "But when the curtain opened, every word was gone from {his} head.",
        ),
        attempt=(
            "{Friend} told {him} the words very softly. {Hero} did not hear them.",
            "{Hero} shut {his} eyes and took three deep breaths. It was still not better.",
        ),
        success=(
            "Then {friend} took {his} hand, and they walked out together. {Hero} said {his} line, loud and clear, and everybody clapped for {the_n}.",
            "Then {hero} looked only at {mom} in the first row. All of a sudden, the words came back. It was the best play ever.",
        ),
        failure=(
            "{Hero} ran off the stage and cried behind the door. The play went on without {the_n}.",
            "{He} stood there and said nothing until the curtain closed. On the way home, {he} was sad and did not speak.",
        ),
        twist=(
            "Then {hero} fell over {his} own costume. To {his} surprise, everybody clapped and laughed. They thought it was part of the play, and {the_n} was the star!",
            "Then a voice said the line. It turned out that {hero}'s little sister had learned every word all along, and she ran on the stage to help!",
        ),
        sad_twist=(
            "At last, {hero} said {his} line. It turned out that the play was already over. The seats were empty, and {he} cried.",
        ),
        hint=(
            "At home it was easy. {Hero} did not know yet how different a stage would feel.",
            "That morning, {hero} had a funny feeling in {his} belly.",
        ),
        say=("I have forgotten my line", "There are so many people out there"),
        offer=("I will go out there with you", "Look at me and not at them"),
        ways=("run away", "go out and try"),
        moral=("being brave is easier with a friend", "it is okay to be afraid and to do it all the same"),
        sad_moral=("it is better to try and fail than to run away",),
    ),
    Plot(
        name="song",
        summary="{Hero} wants to sing a song about {about_n}",
        kinds="idea ideamass sky season body wild place room land big outdoor food foodmass stuff family unknown",
        setup=(
            "There was a music night in town. {Hero} wanted to sing a song about {about_n}.",
            "{Hero} was making up a new song. It was about {about_n}, and it had to be ready by night.",
        ),
        problem=(
            "But {he} did not find the right words. Nothing seemed to fit with {about_n}.",
            "But on that very day, {hero} lost {his} voice. Only a tiny squeak came out.",
        ),
        attempt=(
            "They tried every word they knew. The song sounded like an old door.",
            "{Mom} made hot tea with honey. It was good, but it did not help.",
        ),
        success=(
            "Then {friend} began to beat on a pot, and {hero} began to clap. The song did not need many words. Soon the whole town clapped along to the song about {about_n}.",
            "Then {hero} went for a walk and listened to the wind. It gave {him} the tune. {Friend} sang it with {him} that night, and all the people cheered.",
        ),
        failure=(
            "When the music night began, there was no song. {Hero} stood in the dark at the back and cried.",
            "Somebody else sang a song about {about_n}, and {hero} went home alone. {He} never sang it.",
        ),
        twist=(
            "Then a bird sat down on the window and sang. To their surprise, it was the very tune that {hero} had been looking for all along!",
            "They went on the stage and did not know what to do. It turned out that the people knew the song already. {Hero}'s own grandmother had made it long ago!",
        ),
        sad_twist=(
            "At last, the song was ready. It turned out that the music night had been the night before. The hall was empty and dark.",
        ),
        hint=(
            "Outside, a bird was singing. {Hero} had no idea how important that bird would be.",
            "That morning, {hero} had a funny feeling in {his} throat.",
        ),
        say=("I have no words for my song", "My song about {about_n} does not work"),
        offer=("Then let us try it without words", "A song can wait for its tune"),
        ways=("make the song longer", "make the song shorter"),
        moral=("the best ideas come when we stop and listen", "a song gets better when we share it"),
        sad_moral=("it is important to begin in time",),
    ),
    Plot(
        name="pages",
        summary="The wind takes the pages of {hero}'s story about {about_n}",
        kinds="idea ideamass wild room land body person family vehicle craft sky season stuff big outdoor unknown",
        setup=(
            "{Hero} was making a little book with pictures. It told everything about {about_n}.",
            "For {mom}'s birthday, {hero} wrote a story about {about_n} on ten loose pages.",
        ),
        problem=(
            "One day, {he} left the window open. The wind came in and blew all the pages out into the street.",
            "On the way to the table, {he} slipped. The pages flew up, and the wind took them over the fence.",
        ),
        attempt=(
            "They ran after the pages and caught three of them. The page with the word {n} on it was not there.",
            "They looked under every bush. One page was in a puddle, and it was the best one, with the picture of {about_n}.",
        ),
        success=(
            "Then {friend} went to all the people in the street. One had a page in his hat, one had a page in her soup. In the evening, the book about {about_n} was whole again.",
            "So they sat down and drew the lost pages again. With two pens, the book about {about_n} got even longer and funnier.",
        ),
        failure=(
            "The rain washed the words away. Nobody could read about {about_n} now, and the book was ruined.",
            "The pages were gone for ever. {Hero} put the empty cover under {his} bed and never wrote again.",
        ),
        twist=(
            "The next day, something unexpected happened. Many people came to the door and asked for more. They had found the pages and loved the story about {about_n}!",
            "At last, they put the pages in a row. To their surprise, the new order told a much better story about {about_n}!",
        ),
        sad_twist=(
            "At last, they had all the pages. It turned out that the goat next door had eaten the end of the story, and {hero} could not remember it. The book was ruined.",
        ),
        hint=(
            "The curtain moved a little. {Hero} did not notice that the wind got stronger.",
            "{Mom} warned {him} to tie the pages together.",
        ),
        say=("My pages are gone", "All my work is in the wind"),
        offer=("I can run very fast", "We will get them back"),
        ways=("draw new pages", "look for the old ones"),
        moral=("friends can help us put things together again", "it is good to share our stories"),
        sad_moral=("it is important to close the window",),
    ),
    Plot(
        name="show_and_tell",
        summary="{Hero} has to tell the class about {about_n} and does not know what to say",
        kinds="idea ideamass season unknown",
        child_only=True,
        setup=(
            "At school, each child had to talk about one thing. {Hero} got a card, and on the card stood the word {n}.",
            "One Monday, the teacher asked {hero} to tell the class about {about_n}.",
        ),
        problem=(
            "{Hero} did not know what to say. What was so special about {about_n}?",
            "The night before, {hero} sat over an empty page. {He} could not think of one thing to say about {about_n}.",
        ),
        attempt=(
            "They looked in a big book, but there were only long, hard words.",
            "They asked the man at the bus stop. He only knew about buses.",
        ),
        success=(
            "Then {hero} asked everybody in {his} family about {about_n}. Each one had a different story. In class, {hero} told them all, and the children wanted to hear more.",
            "Then {hero} thought of {his} own life. {He} told the class of the day when {he} first knew about {about_n}, and it was so quiet that one could hear a pin drop. Then they all clapped.",
        ),
        failure=(
            "When it was {his} turn, {hero} could not say a word. Some children laughed, and {he} sat down and cried.",
            "{Hero} stayed in bed and said that {he} was sick. The others had a great day, and {he} was alone.",
        ),
        twist=(
            "{Hero} stood up and told the class that {he} knew nothing about {about_n}. To {his} surprise, nobody else did! So they all found out about {about_n} together.",
            "In the morning, {hero} looked at the card again. It turned out that {he} had held it upside down all along, and {he} could talk about anything at all. {He} still chose {about_n}.",
        ),
        sad_twist=(
            "{Hero} told everything {he} had found out. It turned out that it was all wrong, and the whole class laughed at {him}. {He} cried.",
        ),
        hint=(
            "It sounded easy. {Hero} had no idea how hard it would be.",
            "{Hero} did not know yet that the best answer was very near.",
        ),
        say=("I do not know what to say", "What can I tell them about {about_n}"),
        offer=("Just tell them what you think", "Let us ask around"),
        ways=("look in a book", "ask the people in the street"),
        moral=("it is good to ask when we do not know", "everybody has a story to tell"),
        sad_moral=("it is better to ask for help the day before",),
    ),
)
