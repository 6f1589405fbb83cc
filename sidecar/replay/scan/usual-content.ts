import { isUtf8 } from 'node:buffer';
import { findBeginningProblem, isFhir, namedResource } from '../../../common/contract/formats.ts';
import { findResourceType } from './resource-type.ts';

/**
 * Whether a content is of the kind that its format names, found without building anything of it.
 *
 * `false` does not say that it is of another kind: `findContentProblem` has to look more closely, and knows the words.
 *
 * @param content with a NUL behind it
 */
export function isUsualContent(format: string, content: Buffer): boolean {
  if (!isFhir(format)) return findBeginningProblem(format, content.subarray(0, -1)) === undefined;
  if (!isUtf8(content)) return false;
  const type = findResourceType(content);
  if (type === undefined) return false;
  const named = namedResource(format);
  return named === undefined || named === content.toString('utf8', type.start, type.end).toUpperCase();
}
