import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAll, YAMLException } from 'js-yaml';

/** Reads the files that a person writes. What they mean is decided in input.ts. */

/** What a file holds, or why it cannot be read. */
export type FileReading =
  | { readonly file: string; readonly documents: readonly unknown[]; readonly problem?: undefined }
  | { readonly file: string; readonly problem: string };

/** What `kubectl apply -f DIRECTORY` reads. */
const INPUT = /^[^.].*\.(ya?ml|json)$/;
/** The content of a file may be written in several steps, and an editor may replace one by removing it first. */
const SETTLED_MS = 150;
/** Who writes for longer than this is not waited for: the next look comes. */
const MOST_LOOKS = 20;

/** What tells one version of the files from another. */
export async function signatureOf(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => INPUT.test(name)).sort();
  const found = names.map(async (name) => {
    const { mtimeMs, size, ino } = await stat(join(directory, name));
    return [name, mtimeMs, size, ino];
  });
  return JSON.stringify(await Promise.all(found));
}

/**
 * Reads all files, once nobody has written to them for a moment. A file that is read in the middle of a write could lack a peer, and
 * what is not there any more loses its access.
 *
 * @returns undefined where somebody is still writing
 * @throws where the directory cannot be read
 */
export async function readSettled(
  directory: string,
): Promise<{ readonly signature: string; readonly files: readonly FileReading[] } | undefined> {
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    const signature = await signatureOf(directory).catch(unlessMissing);
    await sleep(SETTLED_MS);
    if (signature === undefined || (await signatureOf(directory).catch(unlessMissing)) !== signature) continue;
    const names = (JSON.parse(signature) as [string][]).map(([name]) => name);
    const files = await Promise.all(names.map((name) => readOne(directory, name)));
    if ((await signatureOf(directory).catch(unlessMissing)) === signature) return { signature, files };
  }
  return undefined;
}

/** A file was removed between the look at the directory and the one at the file. @throws where the directory itself is gone */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' && error.syscall === 'stat') return undefined;
  throw error;
}

async function readOne(directory: string, file: string): Promise<FileReading> {
  let text: string;
  try {
    text = await readFile(join(directory, file), 'utf8');
  } catch (error) {
    return { file, problem: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})` };
  }
  return documentsIn(file, text);
}

/** Aliases of aliases make a small file as large as one likes. Tools that write YAML need a few. */
const FEW_ALIASES = { maxAliases: 8 };

/** Reads the YAML documents of a text. A problem never quotes the text: somebody may have put a secret into it. */
export function documentsIn(file: string, text: string): FileReading {
  try {
    const documents = loadAll(text, FEW_ALIASES).filter((document) => document !== null && document !== undefined);
    if (hasCircle(documents)) return { file, problem: 'is not YAML for Kubernetes: an alias refers to what it is in' };
    return { file, documents: documents.flatMap(itemsOf) };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { reason, mark } = error;
    const where = mark ? `line ${mark.line + 1}, column ${mark.column + 1}: ` : '';
    return { file, problem: `is not YAML: ${where}${reason.replaceAll(/"[^"]*"|'[^']*'|<[^>]*>/g, '…')}` };
  }
}

function hasCircle(documents: readonly unknown[]): boolean {
  try {
    JSON.stringify(documents);
    return false;
  } catch {
    return true;
  }
}

/** `kubectl get -o yaml` makes a List of several objects. */
function itemsOf(document: unknown): readonly unknown[] {
  const { kind, items } = document as { readonly kind?: unknown; readonly items?: unknown };
  return kind === 'List' && Array.isArray(items) ? items : [document];
}
