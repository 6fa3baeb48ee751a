// D1.

function outcome({ error, results = [], meta }) {
  if (error) throw new Error(error);
  return [Object.keys(results[0] ?? {}), results.map(Object.values), meta?.changes ?? 0];
}

/**
 * Runs statements, written as JSON: each its SQL and a list of what is bound. Resolves to JSON: for each the names of its
 * columns, its rows as lists, and how many it changed. One runs alone; several stand or fall together.
 */
export async function run(database, statements) {
  const prepared = JSON.parse(statements).map(([sql, values]) => database.prepare(sql).bind(...values));
  const outcomes = prepared.length === 1 ? [await prepared[0].run()] : await database.batch(prepared);
  return JSON.stringify(outcomes.map(outcome));
}
