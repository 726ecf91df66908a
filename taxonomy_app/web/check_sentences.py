"""What the checks of a leaf say (``taxonomy_repo``), for translation: a test runs every check and finds it here."""

from __future__ import annotations

from django.utils.translation import gettext_noop as mark

# How ``taxonomy_repo.problem.spoken_field`` calls a field in a sentence.
FIELDS = (
    mark("The question of seed %(seed)s"),
    mark("The answer of seed %(seed)s"),
    mark("The context of seed %(seed)s"),
    mark("The question of pair %(pair)s of seed %(seed)s"),
    mark("The answer of pair %(pair)s of seed %(seed)s"),
    mark("The questions and answers of seed %(seed)s"),
    mark("Pair %(pair)s of seed %(seed)s"),
    mark("Seed %(seed)s"),
    mark("The seed examples"),
    mark("The task description"),
    mark("The document outline"),
    mark("The document"),
    mark("The domain"),
    mark("The created by"),
    mark("The version"),
)

# Those with fewer own words come later: the first that fits is taken.
CHECKS = (
    # seeds
    mark("There is nothing but white space here. Write the text."),
    mark("%(field)s is empty. Write it, or take it away."),
    mark("%(field)s has no text. Write it, or take it away."),
    mark("The question has %(words)s words; %(most)s is the most. Shorten it."),
    mark("The answer has %(words)s words; %(most)s is the most. Shorten it."),
    mark("The context has %(words)s words; %(most)s is the most. Shorten it."),
    mark("There are %(count)s seeds here; at least %(least)s are needed. Add more."),
    mark("There are %(count)s pairs here; at least %(least)s are needed. Add more."),
    mark("There are %(count)s %(what)s here; at least %(least)s are needed. Add more."),
    mark("%(having)s of %(count)s seeds have a context. Give one to all of them, or to none."),
    mark("From here on the teacher does not see the questions: the first %(count)s reach it."),
    mark("This question was asked in seed %(seed)s already. Ask something else."),
    mark("This is the context of seed %(seed)s. Put its questions there."),
    mark("This is nearly seed %(seed)s (%(similarity)s alike). Ask about something else."),
    mark("The answer is taken from its question. Answer it."),
    mark(
        "Seed %(seed)s says nearly the same as seed %(other)s of %(leaf)s (%(similarity)s alike). "
        "Write another one, or put the leaves together."
    ),
    mark("This %(what)s seems to be in %(language)s, and the others are in %(usual)s. Write all alike."),
    mark("Number %(first)s is the same as number %(second)s. Take one away."),
    mark("%(name)s belongs to knowledge; this leaf is a skill."),
    # privacy
    mark("This looks like %(what)s (%(excerpt)s). Take it out, and make it invalid."),
    mark("%(excerpt)s looks like %(what)s. %(advice)s"),
    mark("a key of a cloud account"),
    mark("a token of a code host"),
    mark("a token of a chat"),
    mark("a key of a paid service"),
    mark("a key of a model's host"),
    mark("a password in an address"),
    mark("someone's e-mail address"),
    mark("someone's telephone number"),
    mark("the number of a payment card"),
    mark("the number of a bank account"),
    mark("Use one in example.org."),
    mark("Use one that is given to nobody, such as +1 202 555 0142."),
    mark("Use an invented one."),
    # sources
    mark("The leaf does not say where its text comes from. Add title, licence and creators."),
    mark("The attribution names no work. Add title, licence and creators."),
    mark("Source %(number)s names no licence. Add one of %(licences)s."),
    mark("The licence %(licence)s is not among those that can be used: %(licences)s. %(advice)s"),
    mark("Write %(licence)s if you mean that."),
    mark("Choose another source."),
    mark("Source %(number)s has no %(what)s. Add it."),
    mark("Sources belong into the attribution, not among the seeds."),
    mark("attribution.txt is not written in UTF-8. Save it again with the encoding UTF-8."),
    mark("Line %(number)s of attribution.txt is not understood. Use lines such as License of the work: MIT."),
    # the place
    mark("%(segment)s is no branch of the taxonomy. Choose one of %(branches)s."),
    mark("The leaf has no name of its own. Add at least one folder below the branch."),
    mark("The place %(place)s cannot be used: %(reason)s."),
    mark("The place is too deep. Use at most %(segments)s parts and %(characters)s characters."),
    mark("%(segment)s has a meaning of its own here. Choose another name."),
    mark(
        "%(segment)s is not a name for a folder. Use small letters, digits, - and _, starting with a letter or digit."
    ),
    mark("%(segment)s is too long. Use at most %(most)s characters."),
    mark("On many computers %(here)s is the same folder as %(there)s. Rename one."),
    # keys
    mark("The file is empty. Add created_by, task_description and seeds."),
    mark("The file has no keys such as created_by: and seed_examples:. Start with those of another leaf."),
    mark("%(key)s is not a key that a leaf has here. %(advice)s"),
    mark("Do you mean %(meant)s?"),
    mark("Known here: %(keys)s."),
    mark("Knowledge leaves have domain and document_outline instead."),
    mark("The leaf has no %(name)s. Add it."),
    mark("%(field)s has no %(name)s. Add it."),
    mark("%(name)s is given twice here. Keep one."),
    mark("The version must be the number %(version)s, without quotes."),
    mark("The leaf is written in version %(old)s; the next edit saves it as version %(new)s."),
    mark("The document's version may change or be ambiguous. Give all 40 digits of it."),
    mark("YAML reads %(value)s as %(kind)s, not as text. Put it in quotes: %(quoted)s."),
    mark(
        "Knowledge in version %(old)s is no longer supported. Write it as version %(new)s: contexts with "
        "questions_and_answers, a document and a document_outline."
    ),
    mark("There is no version %(named)s. Write version: %(version)s."),
    mark("a number"),
    mark("a date"),
    mark("yes or no (a truth value)"),
    mark("%(field)s starts with a type (%(type)s). Put the text in quotes."),
    mark("%(field)s must be %(wanted)s."),
    # YAML
    mark("The file is not written in UTF-8. Save it again with the encoding UTF-8."),
    mark(
        "A colon followed by a space starts a new value here. Put the text in quotes, or write it below the key "
        "after a |."
    ),
    mark("After | or > the text must start on the next line, indented. Move it there."),
    mark("This line is neither a new item of the list nor part of the one above. Check how far it is indented."),
    mark("A key such as answer: was expected here. Check the indentation and the quotes just above."),
    mark(
        "This line is not part of the text above and no key either. Indent it like the text, or put a : after the key."
    ),
    mark("A tab cannot be used to indent. Use spaces."),
    mark("A quote opened above is never closed. Add the closing quote."),
    mark("A value that starts with * refers to a name. Put the text in quotes."),
    mark("A line of --- starts a second document. A leaf is one document: remove it."),
    mark("A list cannot start here. Put the - on a new line below the key."),
    mark("A value is missing here, or a bracket is not closed."),
    mark("A bracket opened above is not closed. Close it, or put the text in quotes."),
    mark("Text stands outside of everything else here. Check the indentation above."),
    mark("A value cannot start with !. Put the text in quotes."),
    mark("A tab stands between the parts of a line. Use spaces."),
    mark("Names with & and * are hard to read for others. Write the text out where it is meant."),
    mark("The file starts with a byte order mark. It is not needed; saving here removes it."),
    mark("Lines end in the manner of Windows. It does no harm; saving here changes it."),
    mark("The file cannot be read as YAML here (%(said)s). Check the line and the one above."),
    mark("The file has %(bytes)s bytes; %(most)s is the most. Split it into several leaves."),
    mark("The file is nested far deeper than any leaf. Check the brackets."),
    mark("A value contains itself through & and *. Write the text out."),
    mark("The public tools cannot read this value. Put it in quotes, or take it away."),
    mark("There is a control character (%(code)s) here. Remove it."),
    mark("<< takes keys from elsewhere. Write them out here, where people read them."),
    mark("<< takes keys from elsewhere, and there are none there. Write them out here."),
    # how it is written
    mark("It cannot be told to what this belongs. Write the key before its colon."),
    mark("This list has to be indented like the others. Put spaces before its hyphens."),
    mark("This is indented by %(found)s spaces where %(expected)s are expected. Make all levels alike."),
    mark("There is a space before the colon or comma. Remove it."),
    mark("There is more than one space here. Leave one."),
    mark("A space is missing after the comma. Add it."),
    mark("There is more than one space inside the brackets. Leave one."),
    mark("The comma stands on a line of its own. Put it at the end of the line above."),
    mark("There are more than two blank lines in a row. Remove some."),
    mark("There are spaces at the end of this line. Remove them."),
    mark("The last line is not ended. Press Enter at its end."),
    mark("The file starts with a blank line. Remove it."),
    mark("The file ends with a blank line. Remove it."),
)
