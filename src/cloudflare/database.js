// D1.

/**
 * Runs statements, written as JSON: each its SQL and a list of what is bound. Resolves to JSON: for each the names of its
 * columns, its rows as lists, and how many it changed. One runs alone; several stand or fall together. Rejects with what D1
 * says, which is for the log.
 */
export async function run(database, statements) {
  const prepared = JSON.parse(statements).map(([sql, values]) => database.prepare(sql).bind(...values));
  try {
    const outcomes = prepared.length === 1 ? [await prepared[0].run()] : await database.batch(prepared);
    return JSON.stringify(outcomes.map(outcome));
  } catch ({ message }) {
    // Where D1's driver cannot read an answer it quotes all of it.
    throw new Error(message.split(", got: ")[0]);
  }
}

function outcome({ error, results = [], meta }) {
  if (error) throw new Error(error);
  return [Object.keys(results[0] ?? {}), results.map(Object.values), meta?.changes ?? 0];
}
