// The least program of a user: include, plan with the vocabulary types, link nothing else.
#include <cstdio>

#include <shardplan/shardplan.hpp>

namespace sp = shardplan;

int main() {
  const sp::World world{.ranks = 512, .hardware = sp::Hardware::trn1};
  std::printf("shardplan %s: %lld bytes a rank\n", sp::version, static_cast<long long>(sp::device_memory(world)));
  return sp::device_memory(world) > 0 ? 0 : 1;
}
