export { Button, type ButtonProps, Choices, Field, type Option, Row, Select, type SelectProps, Switch } from "./controls.js";
export { Chart, Meter, type Series, Spark } from "./figures.js";
export { focusContent, useFocusKept } from "./focus.js";
export { useFirst } from "./many.js";
export { type Resource, useResource } from "./resource.js";
export { Badge, Card, type Column, Dialog, Empty, Phase, Table, Trouble } from "./surfaces.js";
export { clock, size } from "./time.js";
export { sentence } from "./words.js";
