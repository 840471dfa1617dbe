"""`models`: the weights on this machine. Only `models install` and `kit build` use a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medsam.cli.console import megabytes, progress_bar
from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import require_file

if TYPE_CHECKING:
    from napari_medsam.models.specs.catalogue import ModelSpec
    from napari_medsam.models.store.store import StoredModel

app = typer.Typer(help="List, install, import, check and remove models.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `models list` prints.")]


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of docs/models.md.")
    ] = False,
) -> None:
    """List the models: state, prompts, cost, licence and source."""
    from napari_medsam.models.store import store

    found = [store.stored_model(model.name) for model in store.known()]
    if as_json:
        typer.echo(json.dumps({"models": [_as_dict(stored) for stored in found]}, indent=2))
        return
    if as_markdown:
        typer.echo(markdown_table())
        return
    for stored in found:
        how = "not installed" if stored.spec.can_install else "not installed, import it"
        state = f"installed, {megabytes(stored.n_bytes)}" if stored.is_installed else how
        typer.echo(f"{stored.spec.name:<24}{stored.spec.title:<38}{state}")
        typer.echo(f"    {_in_short(stored.spec)}\n    {_source(stored.spec)}")


def _in_short(model: ModelSpec) -> str:
    size = "" if model.megabytes is None else f"{model.megabytes:g} MB, "
    return (
        f"{model.prompts}; {_trained_on(model)}; {size}{model.gmacs:g} GMAC per slice;"
        f" {model.licence}"
    )


def markdown_table() -> str:
    """The catalogue as a table for the manual."""
    from napari_medsam.models.specs.catalogue import CATALOGUE

    lines = [
        "| name | model | prompts | trained on | MB | GMAC | get it by | licence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model in CATALOGUE:
        cells = (
            f"`{model.name}`",
            f"[{model.title}]({model.homepage})",
            model.prompts,
            _trained_on(model),
            "?" if model.megabytes is None else f"{model.megabytes:g}",
            f"{model.gmacs:g}",
            "install" if model.can_install else "import",
            model.licence,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _trained_on(model: ModelSpec) -> str:
    from napari_medsam.models.specs.catalogue import CHALLENGE_MODALITIES

    if not model.modalities:
        return "photographs"
    if model.modalities == CHALLENGE_MODALITIES:
        return "all 11 modalities"
    return ", ".join(model.modalities)


@app.command()
def install(
    name: Name,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print failures only.")] = False,
) -> None:
    """Download a model's weights and check them.

    Needs a network. A model from a package index is downloaded with pip and its network settings
    (index, proxy, certificates). Nothing is installed into Python; the weights go into your data
    folder. It is safe to run the command again.
    """
    from napari_medsam.models.install import install_model
    from napari_medsam.models.store import store

    model = _spec(name)
    was_installed = store.stored_model(name).is_installed
    with progress_bar(f"Downloading {model.title}", in_bytes=True) as advance:
        path = install_model(model, progress=advance)
    if not quiet:
        done = "was installed already" if was_installed else "is installed"
        typer.echo(f"{model.title} {done}: {path}{_checked(model)}")


@app.command("import")
def import_model(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A weights file, encoder or decoder, a folder of them, or a zip."
        ),
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A name for the model.")] = None,
    as_model: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="Which model it is, if the files leave a choice."
        ),
    ] = None,
    modality: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The modality it was trained on, such as CT, MR, US or X-Ray."
        ),
    ] = None,
    decoder: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="The checkpoint with the decoder, if PATH has only an encoder."
        ),
    ] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="An input rule to set, such as prompt_side=512."),
    ] = None,
) -> None:
    """Import a model from the files that its authors released.

    Accepts PyTorch and safetensors checkpoints (read as plain tensors, never executed), and
    OpenVINO and ONNX pairs of encoder and decoder. Shows what the model was recognized as and
    why, its licence, the chosen input rules, and its result on a test image of a disc. Unknown
    models are refused.
    """
    from napari_medsam.models import import_model as imports
    from napari_medsam.models.specs import catalogue
    from napari_medsam.models.store import store
    from napari_medsam.models.store.model_record import checked_name

    for option, read in (("PATH", path), ("--decoder", decoder)):
        with usage(option):
            require_file(read)
    if modality is not None:
        _check_modality(modality)
    if name is not None:
        with usage("--name"):
            checked_name(name)
    if as_model is not None:
        with usage("--as"):
            catalogue.spec(as_model)
    with usage("--choose"):
        rules = dict(_rule(text) for text in choose or ())
        catalogue.LITE_MEDSAM.contract.with_rules(rules)
    taken = imports.import_path(
        path,
        name=name,
        as_model=as_model,
        modality=modality,
        decoder=decoder,
        rules=rules,
        report=lambda sentence: typer.echo(sentence, err=True),
    )
    for imported in taken:
        lines = imported.report()
        typer.echo("\n".join([lines[0], *(f"  {line}" for line in lines[1:])]))
        weights = store.weights_path(imported.spec)
        typer.echo(f"{imported.spec.title} is installed: {weights}{_checked(imported.spec)}")


@app.command("set")
def set_rules(
    name: Name,
    rules: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE", help="An input rule to set, such as channels=rgb."),
    ],
) -> None:
    """Change the input rules of an imported model.

    For a model whose self-test chose wrong rules.
    """
    from napari_medsam.models import import_model as imports
    from napari_medsam.models.import_report import import_report

    _spec(name)
    with usage("NAME"):
        imports.imported_record(name)
    with usage("FIELD=VALUE"):
        record = imports.set_contract(name, **dict(_rule(rule) for rule in rules))
    typer.echo("\n".join(import_report(record)))


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A model; by default all that are installed."),
    ] = None,
) -> None:
    """Compare the SHA-256 of installed weights with the published one."""
    from napari_medsam.models.specs.errors import NotInstalled
    from napari_medsam.models.store import store

    names = (
        [stored.spec.name for stored in store.installed()] if name is None else [_spec(name).name]
    )
    if not names:
        raise NotInstalled("No model is installed. Run: napari-medsam models install litemedsam")
    for known in names:
        typer.echo(f"{known}: {store.verify_model(known)}{_checked(_spec(known))}")


@app.command()
def remove(name: Name) -> None:
    """Delete a model's weights from this machine."""
    from napari_medsam.models.store import store

    model = _spec(name)
    was_installed = store.remove_model(name)
    typer.echo(f"{model.title} {'was removed' if was_installed else 'was not installed'}.")


@app.command("info")
def about(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show a model's paper, source, licence and input rules."""
    from napari_medsam.models.import_report import describe_import
    from napari_medsam.models.store import store

    model = _spec(name)
    found, record = store.stored_model(name), store.model_record(name)
    if as_json:
        typer.echo(json.dumps(_as_dict(found), indent=2))
        return
    rows = {
        "Weights": str(found.path) if found.is_installed else "not installed",
        "Source": _source(model),
        "SHA-256": model.file.sha256 or "not known",
        "Licence": model.licence,
        "Paper": model.paper,
        "Homepage": model.homepage,
        "Trained on": ", ".join(model.modalities) or "photographs",
        "Prompts": model.prompts,
        "Encoder": f"{model.gmacs:g} GMAC per slice",
        "Input": describe_import(model.contract),
        "Note": model.note,
    }
    if record is not None:
        rows |= {"Imported": f"from {record.source}; known by its {record.evidence}"}
        rows |= {"Self-test": "; ".join(f"{k}: IoU {v:.2f}" for k, v in record.tried.items())}
    typer.echo("\n".join([model.title, *(f"  {k + ':':<12}{v}" for k, v in rows.items() if v)]))


def _rule(text: str) -> tuple[str, Any]:
    """Parse ``channels=rgb``, or JSON if not a word: ``mean=[0,0,0]``, ``mean=null``."""
    field, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"{text!r} is not of the form FIELD=VALUE.")
    try:
        return field, json.loads(value)
    except json.JSONDecodeError:
        return field, value


def _check_modality(word: str) -> None:
    from napari_medsam.models.specs.catalogue import CHALLENGE_MODALITIES

    with usage("--modality"):
        if word not in CHALLENGE_MODALITIES:
            known = ", ".join(CHALLENGE_MODALITIES)
            raise ValueError(f"{word!r} is not a known modality; choose one of {known}.")


def _spec(name: str) -> ModelSpec:
    from napari_medsam.models.store.store import model_spec

    with usage("NAME"):
        return model_spec(name)


def _checked(model: ModelSpec) -> str:
    """What the SHA-256 was compared with; that the tensors fit the network is checked elsewhere."""
    from napari_medsam.models.store import store

    if store.model_record(model.name) is not None:
        return ", SHA-256 as recorded at its import"
    return ", SHA-256 as published" if model.file.sha256 else ", no published SHA-256 to compare"


def _source(model: ModelSpec) -> str:
    from napari_medsam.models.specs.catalogue import UrlSource, WheelSource

    if isinstance(model.source, WheelSource):
        return f"package {model.source.package} {model.source.version}, through pip"
    return model.source.url if isinstance(model.source, UrlSource) else model.source.page


def _as_dict(stored: StoredModel) -> dict[str, Any]:
    from napari_medsam.models.store import store

    model, record = stored.spec, store.model_record(stored.spec.name)
    imported = {"evidence": record.evidence, "self_test": record.tried} if record else None
    return {
        "name": model.name,
        "title": model.title,
        "installed": stored.is_installed,
        "path": str(stored.path),
        "bytes": stored.n_bytes,
        "sha256": model.file.sha256,
        "source": _source(model),
        "licence": model.licence,
        "paper": model.paper,
        "homepage": model.homepage,
        "modalities": list(model.modalities),
        "prompts": model.prompts,
        "gmacs": model.gmacs,
        "megabytes": model.megabytes,
        "can_install": model.can_install,
        "formats": list(model.formats),
        "contract": model.contract.as_dict(),
        "imported": imported,
    }
