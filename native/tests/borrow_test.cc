#include "runtime/borrow.h"

#include <doctest/doctest.h>

#include "runtime/error.h"

using namespace torchsight;

TEST_CASE("a tensor that is read cannot change, one that changes cannot be read") {
  const at::Tensor tensor = at::zeros({4});
  const at::Tensor view = tensor.narrow(0, 0, 2);
  {
    const Borrow reader({tensor}, {});
    CHECK_NOTHROW(check_free(tensor, /*writes=*/false));
    CHECK_THROWS_AS(check_free(view, /*writes=*/true), Error);
    CHECK_NOTHROW(Borrow({view}, {}));
    CHECK_THROWS_AS(Borrow({}, {view}), Error);
  }
  {
    const Borrow writer({tensor}, {tensor});
    CHECK_THROWS_AS(check_free(view, /*writes=*/false), Error);
    CHECK_THROWS_AS(Borrow({view}, {}), Error);
  }
  CHECK_NOTHROW(check_free(tensor, /*writes=*/true));
}

TEST_CASE("a refused borrow holds nothing") {
  const at::Tensor busy = at::zeros({1});
  const at::Tensor idle = at::zeros({1});
  const Borrow reader({busy}, {});
  CHECK_THROWS_AS(Borrow({}, {idle, busy}), Error);
  CHECK_NOTHROW(check_free(idle, /*writes=*/true));
}

TEST_CASE("a borrow ends with the one it was moved to") {
  const at::Tensor tensor = at::zeros({1});
  Borrow kept;
  {
    Borrow first({tensor}, {});
    kept = std::move(first);
  }
  CHECK_THROWS_AS(check_free(tensor, /*writes=*/true), Error);
  kept = {};
  CHECK_NOTHROW(check_free(tensor, /*writes=*/true));
}
