/**
 * The one rule that oxlint does not have: the current time read through `Date` itself. `new Date(given)` and
 * `Date.parse(written)` compute and are fine; `new Date()` and `Date()` look at the clock.
 */
const readsTheClock = (context) => (node) => {
  const date = node.callee.type === 'Identifier' && node.callee.name === 'Date';
  if (date && (node.type === 'CallExpression' || node.arguments.length === 0)) {
    context.report({ node, message: 'Decisions are pure: the time is given to them.' });
  }
};

export default {
  meta: { name: 'lfh-sync' },
  rules: {
    'no-clock': {
      create: (context) => ({ NewExpression: readsTheClock(context), CallExpression: readsTheClock(context) }),
    },
  },
};
