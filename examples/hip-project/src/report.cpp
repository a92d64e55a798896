// Says what was right and what was wrong.
#include "sample.h"

#include <iostream>

namespace sample {

void Report::check(const std::string &what, bool right) {
    ++(right ? right_ : wrong_);
    std::cout << (right ? "ok    " : "WRONG ") << what << '\n';
}

int Report::finish() const {
    std::cout << right_ << " right, " << wrong_ << " wrong\n";
    return wrong_ == 0 ? 0 : 1;
}

} // namespace sample
