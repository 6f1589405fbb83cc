/**
 * What a command says of itself. Its arguments are read, its help, the completion of shells and docs/cli.md are made from this,
 * and from nothing else.
 */

export interface Option {
  /** A `boolean` is given or not; a `string` has a value. */
  readonly type: 'boolean' | 'string';
  /** One letter, for `-n`. */
  readonly short?: string;
  /** What the value is called in help texts, such as `NAMESPACE`. */
  readonly value?: string;
  /** The values that there are; absent: any. */
  readonly choices?: readonly string[];
  readonly meaning: string;
}

export type Options = Readonly<Record<string, Option>>;

/** An argument by its place. */
export interface Argument {
  /** As in help texts: `PEER`. */
  readonly name: string;
  readonly required: boolean;
  readonly meaning: string;
  /** What a shell completes it with: a file, a peer of the cluster, what can be explained, or one of these words. */
  readonly completes?: 'files' | 'peers' | 'names' | readonly string[];
}

export interface Example {
  /** Behind `lfh-sync`. */
  readonly line: string;
  readonly meaning: string;
}

export interface CommandText<Given extends Options = Options> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly arguments: readonly Argument[];
  readonly options: Given;
  readonly examples: readonly Example[];
  /** What its exit code 1 means; absent where it never has it. */
  readonly notWell?: string;
}

/** What was given: a boolean that was not given is false, a string that was not given is undefined. */
export type Values<Given extends Options> = {
  readonly [Name in keyof Given]: Given[Name]['type'] extends 'boolean' ? boolean : string | undefined;
};

/** Every command has these. */
export const EVERYWHERE = {
  help: { type: 'boolean', short: 'h', meaning: 'Shows this text.' },
} as const satisfies Options;

/** The options of a command that asks a cluster, as kubectl has them. */
export const CLUSTER = {
  namespace: { type: 'string', short: 'n', value: 'NAMESPACE', meaning: 'The namespace. Absent: that of the context.' },
  context: { type: 'string', value: 'NAME', meaning: 'The context of the kubeconfig. Absent: the current one.' },
  kubeconfig: {
    type: 'string',
    value: 'FILE',
    meaning: "The kubeconfig. Absent: KUBECONFIG, ~/.kube/config, or in a pod the pod's own service account.",
  },
} as const satisfies Options;

/** For a command that is about one LfhSyncNode. */
export const OF_NODE = {
  node: { type: 'string', value: 'NAME', meaning: 'The LfhSyncNode. Absent: the only one of the namespace.' },
  ...CLUSTER,
} as const satisfies Options;

/** For a command that changes something for good. */
export const YES = {
  yes: { type: 'boolean', short: 'y', meaning: 'Does not ask.' },
} as const satisfies Options;

/** For a command that can wait. */
export const WAIT = {
  wait: { type: 'boolean', meaning: 'Waits until it is done, and tells what changes meanwhile.' },
  timeout: {
    type: 'string',
    value: 'DURATION',
    meaning: 'How long it waits at most, such as 90s, 5m or 1h. Absent: 5m.',
  },
} as const satisfies Options;
