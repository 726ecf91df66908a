"""The words by which reviewers find submissions, with the full-text index that the database keeps of them."""

import django.db.models.deletion
from django.db import migrations, models

from taxonomy_app.tree.search_words import distinct_words

# As the index of leaves (tree 0002): FTS5 keeps no copy of the words (content=), triggers keep it equal to the table.
SQLITE_CREATE = (
    "CREATE VIRTUAL TABLE contributions_submissiontext_index USING fts5(words, "
    "content='contributions_submissiontext', content_rowid='submission_id', tokenize='ascii', prefix='3')",
    "CREATE TRIGGER contributions_submissiontext_added AFTER INSERT ON contributions_submissiontext BEGIN "
    "INSERT INTO contributions_submissiontext_index(rowid, words) VALUES (new.submission_id, new.words); END",
    "CREATE TRIGGER contributions_submissiontext_removed AFTER DELETE ON contributions_submissiontext BEGIN "
    "INSERT INTO contributions_submissiontext_index(contributions_submissiontext_index, rowid, words) "
    "VALUES ('delete', old.submission_id, old.words); END",
    "CREATE TRIGGER contributions_submissiontext_changed AFTER UPDATE ON contributions_submissiontext BEGIN "
    "INSERT INTO contributions_submissiontext_index(contributions_submissiontext_index, rowid, words) "
    "VALUES ('delete', old.submission_id, old.words); "
    "INSERT INTO contributions_submissiontext_index(rowid, words) VALUES (new.submission_id, new.words); END",
)
SQLITE_DROP = (
    "DROP TRIGGER contributions_submissiontext_added",
    "DROP TRIGGER contributions_submissiontext_removed",
    "DROP TRIGGER contributions_submissiontext_changed",
    "DROP TABLE contributions_submissiontext_index",
)
POSTGRESQL_CREATE = (
    "ALTER TABLE contributions_submissiontext ADD COLUMN words_vector tsvector "
    "GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, words)) STORED",
    "CREATE INDEX contributions_submissiontext_words ON contributions_submissiontext USING gin (words_vector)",
)
POSTGRESQL_DROP = ("ALTER TABLE contributions_submissiontext DROP COLUMN words_vector",)


def create_index(apps, schema_editor):
    for statement in SQLITE_CREATE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_CREATE:
        schema_editor.execute(statement)


def drop_index(apps, schema_editor):
    for statement in SQLITE_DROP if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_DROP:
        schema_editor.execute(statement)


def write_words(apps, schema_editor):
    """Words of the submissions that are there already."""
    submissions = apps.get_model("contributions", "Submission").objects.order_by("pk")
    texts = apps.get_model("contributions", "SubmissionText").objects
    texts.bulk_create(
        (
            texts.model(submission_id=pk, words=distinct_words((f"S{pk}", path, summary)))
            for pk, path, summary in submissions.values_list("pk", "path", "summary").iterator(chunk_size=2_000)
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("contributions", "0005_comment_resolutions")]

    operations = [
        migrations.CreateModel(
            name="SubmissionText",
            fields=[
                (
                    "submission",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="contributions.submission",
                    ),
                ),
                ("words", models.TextField()),
            ],
        ),
        migrations.RunPython(create_index, drop_index),
        migrations.RunPython(write_words, migrations.RunPython.noop),
    ]
