// Stands in for <format> where the C++ library has none (g++ before 13): just
// enough of std::format for mlx-c, which replaces each "{}" by one value.
#pragma once
#include <sstream>
#include <string>
#include <string_view>

namespace std {

template <typename... Args>
string format(string_view pattern, const Args&... args) {
  ostringstream out;
  auto one = [&](const auto& value) {
    auto at = pattern.find("{}");
    out << pattern.substr(0, at);
    if (at == string_view::npos) {
      pattern = {};
      return;
    }
    out << value;
    pattern.remove_prefix(at + 2);
  };
  (one(args), ...);
  out << pattern;
  return out.str();
}

} // namespace std
