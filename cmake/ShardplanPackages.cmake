# Shared by the build and by the installed package configuration.

# Looks for packages; `missing` gets the names of those that are not there.
function(shardplan_find_packages missing)
  set(absent)
  foreach(package IN LISTS ARGN)
    find_package(${package} QUIET)
    if(NOT ${package}_FOUND)
      list(APPEND absent ${package})
    endif()
  endforeach()
  # yaml-cpp before 0.8 calls its target by the bare name.
  if(TARGET yaml-cpp AND NOT TARGET yaml-cpp::yaml-cpp)
    add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED)
    set_property(TARGET yaml-cpp::yaml-cpp PROPERTY INTERFACE_LINK_LIBRARIES yaml-cpp)
  endif()
  set(${missing} "${absent}" PARENT_SCOPE)
endfunction()
