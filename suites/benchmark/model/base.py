"""Common parts of the schema of the results."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    """A frozen part of the results; unknown fields and numbers that are not finite are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        from_attributes=True,
        allow_inf_nan=False,
        validate_by_name=True,
        serialize_by_alias=True,
    )
