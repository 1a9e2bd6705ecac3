# Components of the library: INTERFACE targets `shardplan::<name>` that carry headers and what these need.
#
#   shardplan_component(<name>
#     DESCRIPTION <text>          for pkg-config
#     HEADERS <pattern>...        below include/shardplan, folders included; first come, first served
#     [PACKAGES <package>...]     for find_package; one missing switches the component off
#     [LIBRARIES <target>...]     of those packages
#     [PKGCONFIG <module>...])    the same for pkg-config
#   shardplan_install_package()   after all components
#
# Each component is exported on its own, so that `find_package(shardplan COMPONENTS <name>)` looks for the packages
# of that component and of no other.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
include(ShardplanPackages)

set(SHARDPLAN_INCLUDE_DIR "${PROJECT_SOURCE_DIR}/include")
set(SHARDPLAN_PACKAGE_DIR "${CMAKE_INSTALL_DATADIR}/cmake/shardplan")
foreach(list IN ITEMS OWNED ON OFF PACKAGES)
  set_property(GLOBAL PROPERTY SHARDPLAN_${list})
endforeach()

function(shardplan_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DESCRIPTION" "HEADERS;PACKAGES;LIBRARIES;PKGCONFIG")

  list(TRANSFORM arg_HEADERS PREPEND "${SHARDPLAN_INCLUDE_DIR}/shardplan/")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${arg_HEADERS})
  get_property(owned GLOBAL PROPERTY SHARDPLAN_OWNED)
  list(REMOVE_ITEM headers ${owned})
  if(NOT headers)
    message(STATUS "shardplan::${name} is off: no header yet")
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY SHARDPLAN_OWNED ${headers})

  shardplan_find_packages(missing ${arg_PACKAGES})
  if(missing)
    list(JOIN missing ", " missing)
    message(STATUS "shardplan::${name} is off: ${missing} not found")
    set_property(GLOBAL APPEND PROPERTY SHARDPLAN_OFF ${headers})
    return()
  endif()

  if(name STREQUAL PROJECT_NAME)
    set(target shardplan)
    set(module shardplan)
    set(requires)
  else()
    set(target shardplan_${name})
    set(module shardplan-${name})
    set(requires shardplan ${arg_PKGCONFIG})
  endif()
  add_library(${target} INTERFACE)
  add_library(shardplan::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS "${SHARDPLAN_INCLUDE_DIR}" FILES ${headers})
  target_compile_features(${target} INTERFACE cxx_std_20)
  if(NOT target STREQUAL "shardplan")
    target_link_libraries(${target} INTERFACE shardplan::shardplan ${arg_LIBRARIES})
  endif()
  set_property(GLOBAL APPEND PROPERTY SHARDPLAN_ON ${name})
  set_property(GLOBAL APPEND PROPERTY SHARDPLAN_PACKAGES "set(shardplan_${name}_packages ${arg_PACKAGES})")

  if(SHARDPLAN_INSTALL)
    install(TARGETS ${target} EXPORT ${target} FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
    install(EXPORT ${target} NAMESPACE shardplan:: FILE shardplan_${name}_targets.cmake
      DESTINATION "${SHARDPLAN_PACKAGE_DIR}")
    set(description "${arg_DESCRIPTION}")
    list(JOIN requires ", " requires)
    configure_file("${PROJECT_SOURCE_DIR}/cmake/shardplan.pc.in" "${PROJECT_BINARY_DIR}/${module}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${module}.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
  endif()
endfunction()

function(shardplan_install_package)
  get_property(components GLOBAL PROPERTY SHARDPLAN_ON)
  get_property(packages GLOBAL PROPERTY SHARDPLAN_PACKAGES)
  list(JOIN packages "\n" packages)
  configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/shardplanConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/shardplanConfig.cmake"
    INSTALL_DESTINATION "${SHARDPLAN_PACKAGE_DIR}"
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/shardplanConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
  install(
    FILES "${PROJECT_BINARY_DIR}/shardplanConfig.cmake" "${PROJECT_BINARY_DIR}/shardplanConfigVersion.cmake"
          "${PROJECT_SOURCE_DIR}/cmake/ShardplanPackages.cmake"
    DESTINATION "${SHARDPLAN_PACKAGE_DIR}")
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endfunction()
