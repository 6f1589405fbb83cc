import type { Container } from '../../api/objects.ts';
import type { References, Texts } from '../observed/observed.ts';

/** A setting that connect's container gets from its environment. connect takes its name in upper or lower case. */
export interface ConnectSetting {
  /** Where it is set, for a message. */
  readonly where: string;
  /** undefined where only the kubelet knows it, or where {@link isMissing}. */
  readonly value: string | undefined;
  /** Whether the object or the entry that it refers to is not there. The watch may not have delivered it yet. */
  readonly isMissing: boolean;
  /** Whether it is an entry of exactly this name in `env`, with which an entry that is applied would be merged. */
  readonly isEntry: boolean;
  /** Whether the value stands in a Secret and must not be repeated. */
  readonly isSecret: boolean;
}

type Environment = NonNullable<Container['env']>[number];

/**
 * Finds everything in a container's environment that sets one of connect's settings, by `env` and by `envFrom`.
 *
 * @param setting its name in upper case
 */
export function settingsNamed(
  { env = [], envFrom = [] }: Container,
  references: References,
  setting: string,
): ConnectSetting[] {
  const isNamed = (name: string): boolean => name.toUpperCase() === setting;
  const entries = env
    .filter(({ name }) => isNamed(name))
    .map((entry) => ({ isEntry: entry.name === setting, ...valueOf(entry, references) }));
  const sources = envFrom.flatMap(({ prefix = '', configMapRef, secretRef }) => [
    {
      prefix,
      kind: 'ConfigMap',
      name: configMapRef?.name,
      texts: textsOf('configMap', configMapRef?.name, references),
    },
    { prefix, kind: 'Secret', name: secretRef?.name, texts: textsOf('secret', secretRef?.name, references) },
  ]);
  const imported = sources.flatMap(({ prefix, kind, name, texts }) =>
    Object.entries(texts)
      .filter(([key]) => isNamed(prefix + key))
      .map(([, value]) => ({
        where: `envFrom (${kind} ${name})`,
        value,
        isMissing: false,
        isEntry: false,
        isSecret: kind === 'Secret',
      })),
  );
  return [...entries, ...imported];
}

function valueOf({ value, valueFrom }: Environment, references: References): Omit<ConnectSetting, 'isEntry'> {
  if (valueFrom === undefined) return { where: 'env', value: value ?? '', isMissing: false, isSecret: false };
  const { configMapKeyRef, secretKeyRef, fieldRef } = valueFrom;
  if (configMapKeyRef) {
    const { name, key } = configMapKeyRef;
    const found = textsOf('configMap', name, references)[key];
    const where = `env (ConfigMap ${name}, entry ${key})`;
    return { where, value: found, isMissing: found === undefined, isSecret: false };
  }
  if (secretKeyRef) {
    const { name, key } = secretKeyRef;
    const found = textsOf('secret', name, references)[key];
    const where = `env (Secret ${name}, entry ${key})`;
    return { where, value: found, isMissing: found === undefined, isSecret: true };
  }
  const where = `env (${fieldRef?.fieldPath ?? 'a reference'} of each pod)`;
  return { where, value: undefined, isMissing: false, isSecret: false };
}

function textsOf(kind: keyof References, name: string | undefined, references: References): Texts {
  return (name === undefined ? undefined : references[kind](name)) ?? {};
}
