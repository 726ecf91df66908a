"""The words of leaves with the full-text index that the database keeps of them, their vectors, and sources by version."""

import django.db.models.deletion
from django.db import migrations, models

# prefix: words that begin with three given letters are so many that FTS5 keeps a list of them. FTS5 keeps no copy of the words (content=): it reads them from LeafText, which triggers keep it equal to.
SQLITE_CREATE = (
    "CREATE VIRTUAL TABLE tree_leaftext_index USING fts5(place, about, seeds, people, "
    "content='tree_leaftext', content_rowid='leaf_id', tokenize='ascii', prefix='3')",
    "CREATE TRIGGER tree_leaftext_added AFTER INSERT ON tree_leaftext BEGIN "
    "INSERT INTO tree_leaftext_index(rowid, place, about, seeds, people) "
    "VALUES (new.leaf_id, new.place, new.about, new.seeds, new.people); END",
    "CREATE TRIGGER tree_leaftext_removed AFTER DELETE ON tree_leaftext BEGIN "
    "INSERT INTO tree_leaftext_index(tree_leaftext_index, rowid, place, about, seeds, people) "
    "VALUES ('delete', old.leaf_id, old.place, old.about, old.seeds, old.people); END",
    "CREATE TRIGGER tree_leaftext_changed AFTER UPDATE ON tree_leaftext BEGIN "
    "INSERT INTO tree_leaftext_index(tree_leaftext_index, rowid, place, about, seeds, people) "
    "VALUES ('delete', old.leaf_id, old.place, old.about, old.seeds, old.people); "
    "INSERT INTO tree_leaftext_index(rowid, place, about, seeds, people) "
    "VALUES (new.leaf_id, new.place, new.about, new.seeds, new.people); END",
)
SQLITE_DROP = (
    "DROP TRIGGER tree_leaftext_added",
    "DROP TRIGGER tree_leaftext_removed",
    "DROP TRIGGER tree_leaftext_changed",
    "DROP TABLE tree_leaftext_index",
)
# A column for each set of words that is asked for: a GIN index knows neither weights nor positions, so that a question
# about a part of one column would read every row that has the words anywhere.
POSTGRESQL_COLUMNS = {
    "place_words": "place",
    "all_words": "place || ' ' || about || ' ' || seeds",
    "people_words": "people",
}
# The configuration "simple" folds capitals and does nothing else; there is no stemming and no list of small words.
POSTGRESQL_CREATE = [
    statement
    for column, text in POSTGRESQL_COLUMNS.items()
    for statement in (
        f"ALTER TABLE tree_leaftext ADD COLUMN {column} tsvector "
        f"GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, {text})) STORED",
        f"CREATE INDEX tree_leaftext_{column} ON tree_leaftext USING gin ({column})",
    )
]
POSTGRESQL_DROP = [f"ALTER TABLE tree_leaftext DROP COLUMN {column}" for column in POSTGRESQL_COLUMNS]


def create_index(apps, schema_editor):
    for statement in SQLITE_CREATE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_CREATE:
        schema_editor.execute(statement)


def drop_index(apps, schema_editor):
    for statement in SQLITE_DROP if schema_editor.connection.vendor == "sqlite" else POSTGRESQL_DROP:
        schema_editor.execute(statement)


def make_index_anew(apps, schema_editor):
    """The next update makes the whole index anew, words included: an index is never older than its shape."""
    apps.get_model("tree", "IndexState").objects.update(commit="")


class Migration(migrations.Migration):
    dependencies = [("tree", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="leaf",
            index=models.Index(fields=["path"], name="tree_leaf_path_begins", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="leaf",
            index=models.Index(fields=["kind", "path"], name="tree_leaf_kind"),
        ),
        migrations.CreateModel(
            name="LeafText",
            fields=[
                (
                    "leaf",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="text",
                        serialize=False,
                        to="tree.leaf",
                    ),
                ),
                ("place", models.TextField()),
                ("about", models.TextField()),
                ("seeds", models.TextField()),
                ("people", models.TextField()),
            ],
        ),
        migrations.RunPython(create_index, drop_index),
        migrations.AddField(
            model_name="leafversion",
            name="attribution_blob",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.CreateModel(
            name="LeafVector",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=120)),
                ("blob", models.CharField(max_length=64)),
                ("path", models.CharField(max_length=500)),
                ("data", models.BinaryField()),
                ("made_at", models.DateTimeField()),
                (
                    "leaf",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="vectors", to="tree.leaf"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["source", "made_at"], name="tree_vector_made")],
                "constraints": [models.UniqueConstraint(fields=("leaf", "source"), name="tree_vector_source")],
            },
        ),
        migrations.RunPython(make_index_anew, migrations.RunPython.noop),
    ]
