"""Plots about what one can make, play, sing, write or talk about; some of them suit any noun."""

from __future__ import annotations

from silly_llm.providers.storyteller.plot import Plot

PLOTS = (
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
            "{Hero} brought the clay {n} to the show. It turned out that the show was for things made of wood. They sent {him} home.",
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
            "Then {hero} spoke. To {his} surprise, they were the words of the wrong play. All the people laughed at {him}, and {he} ran away.",
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
            "They went on the stage at last. To their surprise, the girl before them sang the very same song. Nobody wanted to hear it twice.",
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
            "The next day, they saw a man with the pages. It turned out that he had made a fire with them. Only black bits were left.",
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
            "In the morning, {hero} was ready at last. To {his} surprise, it was Sunday, and the school was empty. The day for {his} talk was over.",
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
