/**
 * The sections of a page of the documentation, by their headings of the second level: their paragraphs, as a terminal shows them.
 * A link keeps its text alone.
 */
export function sectionsOf(markdown: string): ReadonlyMap<string, readonly string[]> {
  const parts = markdown.split(/^## /m).slice(1);
  return new Map(
    parts.map((part) => {
      const [heading = '', ...rest] = part.split('\n');
      return [heading.trim(), paragraphsOf(rest)];
    }),
  );
}

function paragraphsOf(lines: readonly string[]): string[] {
  const paragraphs: string[] = [];
  let begins = true;
  for (const line of lines) {
    // Each item of a list is a paragraph of its own.
    if (line.trim() === '' || line.startsWith('- ')) begins = true;
    if (line.trim() === '') continue;
    if (begins) paragraphs.push(line.trim());
    else paragraphs.push(`${paragraphs.pop() ?? ''} ${line.trim()}`);
    begins = false;
  }
  return paragraphs.map((paragraph) => paragraph.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1'));
}
