type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles where the type of the value is exactly `Expected`, up to widening of literals. */
export function expectTypeOf<Expected>() {
  return <Actual>(
    _value: Actual & (Equal<Actual, Expected> extends true ? unknown : { expected: Expected }),
  ): void => undefined;
}
