import { type GenericSchema, type InferOutput, parse } from "valibot";

/**
 * One row of an option table: the only home of an option's default, help, and validation.
 *
 * The property name of the row (`k8sPort`) gives the flag (`--k8s-port`), the environment variable
 * (`VLLM_ROUTER_K8S_PORT`) and the key in a configuration file (`k8s_port`).
 */
export interface Option {
  /** Heading under which `--help` and docs/options.md list the option. */
  readonly group: string;
  /** One sentence, with the unit. */
  readonly help: string;
  /** Reads the text of a flag, a variable or a file value; its issues are the error messages. */
  readonly schema: GenericSchema<string, unknown>;
  /** Placeholder of the value in `--help`, such as `<seconds>`; a row without one is a switch. */
  readonly argument?: string;
  /** The default as text, read by the same schema; absent means unset. */
  readonly default?: string;
  /** A flag that is given more than once is one list; otherwise the last one wins. */
  readonly repeats?: true;
  /** The value is masked wherever configuration is printed. */
  readonly secret?: true;
  /** Read at the start only: a configuration file that changes it while the router runs changes nothing yet. */
  readonly atStart?: true;
  /** Set while the feature behind a flag of the contract does not exist: the sentence refuses the flag. */
  readonly unavailable?: string;
}

/** Options by property name. */
export type OptionTable = Readonly<Record<string, Option>>;

/** What one row yields: `undefined` is possible only where the row has no default. */
type OptionValue<Row extends Option> = Row extends { readonly default: string }
  ? InferOutput<Row["schema"]>
  : InferOutput<Row["schema"]> | undefined;

/** The configuration that a table yields. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: OptionValue<Table[Name]>;
};

/** The configuration that a table yields where nothing is given. */
export const defaultsOf = <Table extends OptionTable>(table: Table): OptionValues<Table> => {
  const values: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(table)) {
    values[name] = row.default === undefined ? undefined : parse(row.schema, row.default);
  }
  return values as OptionValues<Table>;
};

/** `k8sPort` -> `k8s-port`, the flag without its dashes. */
export const flagName = (property: string): string =>
  property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** `k8sPort` -> `VLLM_ROUTER_K8S_PORT`. */
export const environmentName = (property: string): string =>
  `VLLM_ROUTER_${flagName(property).replaceAll("-", "_").toUpperCase()}`;

/** `k8sPort` -> `k8s_port`, the key in a configuration file. */
export const fileKey = (property: string): string => flagName(property).replaceAll("-", "_");
